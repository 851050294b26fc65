// Parts that several views are made of.

import { knownPolicies } from './api.js';
import { customerLink, h } from './dom.js';
import { ago, instant, money, named, number, roughly, t } from './words.js';

/** Steps of the scale of tiers, from the best to the lowest. */
const STEPS = 6;

/** The colour of a tier: by its place among the policy's. */
export function tierStep(policy, tier) {
  const tiers = knownPolicies().find((known) => known.policy === policy)?.tiers ?? [];
  const at = tiers.findIndex((known) => known.tier === tier);
  if (at < 0) return 'step-none';
  return `step-${tiers.length < 2 ? 0 : Math.round((at * (STEPS - 1)) / (tiers.length - 1))}`;
}

export function tierBadge(policy, tier) {
  return h('span', { class: `tier ${tierStep(policy, tier)}` }, named('tier', tier));
}

export function when(text) {
  return h('time', { datetime: text, title: instant(text) }, ago(text));
}

/** A customer's id, leading to the customer. */
export function customer(id) {
  return h('a', { href: customerLink(id), class: 'id' }, id);
}

const ARROWS = { up: '▲', down: '▼', first: '●', other: '◆' };

export function direction(name) {
  const arrow = ARROWS[name] ?? ARROWS.other;
  return h('span', { class: `direction ${name}`, title: named('direction', name) }, arrow,
    h('span', { class: 'unseen' }, named('direction', name)));
}

/** From one tier to another. */
export function move(change) {
  return [
    change.from ? [tierBadge(change.policy, change.from), h('span', { class: 'to', 'aria-hidden': 'true' }, '→')] : null,
    tierBadge(change.policy, change.to),
  ];
}

export function changeItem(change, isNew) {
  return h('li', { class: isNew ? 'new' : null },
    direction(change.direction),
    h('span', { class: 'what' }, customer(change.customer), ' ', h('span', { class: 'moves' }, move(change)),
      h('small', {}, named('policy', change.policy), ' · ', named('cause', change.cause))),
    when(change.at));
}

/** What a signal says in figures. */
export function figures(signal) {
  const observed = number(signal.observed, 0);
  const expected = roughly(signal.expected);
  if (signal.detector === 'silence') return t('signal.silence', { observed, expected });
  if (signal.window_days) return t('signal.window', { observed, expected, days: signal.window_days });
  return t('signal.figures', { observed, expected });
}

export function stake(signal) {
  return money(signal.at_stake, signal.currency);
}

/** What to say where there is nothing, and what to do next. */
export function empty(title, next) {
  return h('div', { class: 'empty' }, h('p', {}, title), next ? h('p', { class: 'next' }, next) : null);
}

export function section(title, ...content) {
  return h('section', { class: 'card' }, h('h2', {}, title), content);
}

/** A table: columns are [heading, cell of a row, class]. */
export function table(label, columns, rows) {
  const cells = (row) => columns.map(([heading, cell, kind]) => h('td', { class: kind, 'data-label': heading }, cell(row)));
  return h('div', { class: 'scroll' }, h('table', { 'aria-label': label },
    h('thead', {}, h('tr', {}, columns.map(([heading, , kind]) => h('th', { scope: 'col', class: kind }, heading)))),
    h('tbody', {}, rows.map((row) => h('tr', {}, cells(row))))));
}

/** A choice among values: [value, text]. */
export function choice(label, name, value, values, changed) {
  const options = values.map(([key, text]) => h('option', { value: key, selected: key === value }, text));
  return h('label', {}, h('span', {}, label), h('select', { name, onchange: changed }, options));
}

export function field(label, name, value, changed) {
  return h('label', {}, h('span', {}, label),
    h('input', { name, value, type: 'search', autocomplete: 'off', spellcheck: 'false', onchange: changed }));
}

/** A list that goes on with a button; `load(after)` gives a page, `show(items)` appends it. */
export function pages(load, show) {
  const more = h('button', { type: 'button', class: 'more', hidden: true }, t('more'));
  let next = null;
  async function go() {
    more.disabled = true;
    const page = await load(next);
    next = page.next;
    show(page.items);
    more.hidden = !next;
    more.disabled = false;
  }
  more.addEventListener('click', go);
  return { more, first: go };
}
