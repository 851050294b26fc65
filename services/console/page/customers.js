// Customers, with filters and by page.

import { ask, askTiers } from './api.js';
import { fill, h, link } from './dom.js';
import { choice, customer, empty, field, pages, table, tierBadge, when } from './parts.js';
import { named, t } from './words.js';

const FILTERS = ['q', 'policy', 'tier', 'owner', 'region', 'signal'];
const DETECTORS = ['frequency_drop', 'silence', 'complaint_rise'];

export async function customers(main, parameters, signal) {
  const { policies } = await askTiers(signal);
  const chosen = Object.fromEntries(FILTERS.map((name) => [name, parameters.get(name) ?? '']));
  const policy = policies.find((known) => known.policy === chosen.policy);
  const form = h('form', { class: 'filters', role: 'search', onsubmit: (event) => event.preventDefault() });
  const changed = () => {
    const values = Object.fromEntries(new FormData(form));
    // A tier is one of a policy.
    if (values.policy !== chosen.policy) values.tier = '';
    location.hash = link('/customers', values);
  };
  const any = ['', t('any')];
  fill(form,
    field(t('filter.q'), 'q', chosen.q, changed),
    choice(t('policy'), 'policy', chosen.policy, [any, ...policies.map((it) => [it.policy, named('policy', it.policy)])], changed),
    policy ? choice(t('tier'), 'tier', chosen.tier, [any, ...policy.tiers.map((it) => [it.tier, named('tier', it.tier)])], changed) : null,
    choice(t('signal'), 'signal', chosen.signal,
      [any, ['any', t('signal.any')], ...DETECTORS.map((it) => [it, named('detector', it)])], changed),
    field(t('owner'), 'owner', chosen.owner, changed),
    field(t('region'), 'region', chosen.region, changed));

  const shown = policy ? [policy] : policies;
  const held = (row, name) => row.tiers.find((tier) => tier.policy === name);
  const columns = [
    [t('customer'), (row) => customer(row.customer)],
    ...shown.map((it) => [named('policy', it.policy), (row) => {
      const tier = held(row, it.policy);
      return tier ? tierBadge(it.policy, tier.tier) : '–';
    }]),
    [t('signals.open'), (row) => row.open_signals.map((it) => h('span', { class: 'chip warn' }, named('detector', it)))],
    [t('owner'), (row) => row.owner ?? '–'],
    [t('region'), (row) => row.region ?? '–'],
    [t('events'), (row) => row.events, 'number'],
    [t('last_event'), (row) => when(row.last_event)],
  ];
  const list = h('div', { id: 'list' });
  let body = null;
  let building = null;
  const { more, first } = pages(
    async (after) => {
      const page = await ask('customers', { ...chosen, after }, signal);
      building = page.building;
      return page;
    },
    (items) => {
      if (body) {
        body.append(...table('', columns, items).querySelectorAll('tbody > tr'));
      } else if (items.length === 0) {
        const isFiltered = FILTERS.some((name) => chosen[name]);
        fill(list, isFiltered ? empty(t('empty.filtered'), h('a', { href: link('/customers') }, t('filter.clear')))
          : empty(t('empty.customers'), t('empty.customers.next')));
      } else {
        fill(list, table(t('nav.customers'), columns, items));
        body = list.querySelector('tbody');
      }
    });
  await first();
  fill(main, h('h1', {}, t('nav.customers')), form, h('div', { class: 'card flat' }, list, more));
  return { building, heard: (kind) => kind === 'reset' };
}
