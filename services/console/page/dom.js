// Elements. Whatever is text goes in as text: nothing from outside is ever read as markup.

/** An element with properties, and children that are elements, texts, lists of them, or nothing. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'width') element.style.width = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

/** Puts other children in the place of those there are. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** A route of the page, with its parameters. */
export function link(path, parameters) {
  const query = new URLSearchParams(Object.entries(parameters ?? {}).filter(([, value]) => value));
  const text = query.toString();
  return `#${path}${text ? `?${text}` : ''}`;
}

/** The route of a customer. */
export function customerLink(id) {
  return link(`/customers/${encodeURIComponent(id)}`);
}
