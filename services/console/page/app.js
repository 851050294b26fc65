// The page: which view an address means, and what is the same on all of them.

import { Failure, listen } from './api.js';
import { customer } from './customer.js';
import { customers } from './customers.js';
import { fill, h, link } from './dom.js';
import { deliveries, signals, status } from './lists.js';
import { overview } from './overview.js';
import { empty } from './parts.js';
import { ago, loadWords, percent, switchLanguage, t } from './words.js';

const VIEWS = [['/', 'overview', overview], ['/customers', 'customers', customers], ['/signals', 'signals', signals],
  ['/deliveries', 'deliveries', deliveries], ['/status', 'status', status]];
/** While the read model is being built, and after something changed that a view shows as a whole. */
const LOOK_AGAIN_AFTER = 2000;

const [main, nav, banner, state, language, skip] =
  ['main', 'nav', 'banner', 'state', 'language', 'skip'].map((id) => document.getElementById(id));

let running = new AbortController();
let view = null;
let isConnected = null;
let lookingAgain = null;

function route() {
  const [path, query] = (location.hash.slice(1) || '/').split('?');
  const parameters = new URLSearchParams(query);
  const [, id] = path.match(/^\/customers\/(.+)$/) ?? [];
  if (id) return { at: '/customers', parameters, render: customer, id: decodeURIComponent(id) };
  const [at, , render] = VIEWS.find(([known]) => known === path) ?? VIEWS[0];
  return { at, parameters, render };
}

async function show(isMove) {
  running.abort();
  running = new AbortController();
  clearTimeout(lookingAgain);
  lookingAgain = null;
  const { signal } = running;
  view = null;
  const { at, parameters, render, id } = route();
  frame(at);
  main.setAttribute('aria-busy', 'true');
  // Beside the page until it is whole: what was there stays until then.
  const next = h('div', {});
  try {
    const shown = await render(next, parameters, signal, id);
    if (signal.aborted) return;
    view = shown;
    fill(banner, shown.building ? h('p', { class: 'building' }, t('building', { share: percent(shown.building.progress, 0) })) : null);
    if (shown.building) lookAgain();
  } catch (error) {
    if (signal.aborted) return;
    const reason = error instanceof Failure ? error.message : t('unreachable');
    fill(next, empty(reason, h('button', { type: 'button', onclick: () => show(false) }, t('again'))));
    if (!(error instanceof Failure) || error.status >= 500) lookAgain();
  }
  main.removeAttribute('aria-busy');
  const scrolled = window.scrollY;
  const focused = isMove ? null : document.activeElement?.name;
  main.replaceChildren(...next.childNodes);
  main.dataset.view = location.hash.slice(1) || '/';
  window.scrollTo(0, isMove ? 0 : scrolled);
  if (focused) main.querySelector(`[name="${CSS.escape(focused)}"]`)?.focus();
}

function lookAgain() {
  lookingAgain ??= setTimeout(() => show(false), LOOK_AGAIN_AFTER);
}

/** What stands around every view. */
function frame(at) {
  fill(nav, VIEWS.map(([path, name]) =>
    h('a', { href: link(path), 'aria-current': path === at ? 'page' : null }, t(`nav.${name}`))));
  nav.setAttribute('aria-label', t('nav'));
  fill(skip, t('skip'));
  fill(language, t('language.other'));
  connection();
}

function connection() {
  state.className = `state ${isConnected ? 'on' : 'off'}`;
  fill(state, isConnected === null ? '' : isConnected ? t('connected') : t('disconnected'));
}

skip.addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
language.addEventListener('click', async () => {
  await switchLanguage();
  await show(false);
});
// How long ago something was, goes on.
setInterval(() => {
  for (const time of main.querySelectorAll('time')) time.textContent = ago(time.dateTime);
}, 20000);
let last = '';
window.addEventListener('hashchange', () => {
  const { at, id } = route();
  // Another filter of the same list is no move: the reader stays where they are.
  const here = `${at} ${id ?? ''}`;
  show(here !== last);
  last = here;
});

await loadWords();
await show(true);
listen((kind, item) => {
  if (view?.heard(kind, item)) lookAgain();
}, (connected) => {
  isConnected = connected;
  connection();
});
