// Signals, deliveries and the state of the mesh.

import { ask, askTiers } from './api.js';
import { fill, h, link } from './dom.js';
import { choice, customer, empty, figures, pages, section, stake, table, tierBadge, when } from './parts.js';
import { instant, named, number, t } from './words.js';

/** A list of one table, with the filters above it. */
async function list(main, { title, filters, columns, load, nothing }) {
  const place = h('div', { id: 'list' });
  let body = null;
  let building = null;
  const { more, first } = pages(async (after) => {
    const page = await load(after);
    building = page.building;
    return page;
  }, (items) => {
    if (body) {
      body.append(...table('', columns, items).querySelectorAll('tbody > tr'));
    } else if (items.length === 0) {
      fill(place, nothing);
    } else {
      fill(place, table(title, columns, items));
      body = place.querySelector('tbody');
    }
  });
  await first();
  fill(main, h('h1', {}, title), h('form', { class: 'filters', onsubmit: (event) => event.preventDefault() }, filters),
    h('div', { class: 'card flat' }, place, more));
  return building;
}

export async function signals(main, parameters, signal) {
  const { policies } = await askTiers(signal);
  const detector = parameters.get('detector') ?? '';
  const detectors = ['frequency_drop', 'silence', 'complaint_rise'].map((it) => [it, named('detector', it)]);
  const value = policies.filter((it) => it.programme === 'value');
  const columns = [
    [t('customer'), (row) => customer(row.customer)],
    [t('signal'), (row) => [h('span', { class: 'chip warn' }, named('detector', row.detector)), h('small', {}, figures(row))]],
    [t('stake'), stake, 'number'],
    [t('tier'), (row) => row.tiers.filter((it) => value.some((known) => known.policy === it.policy))
      .map((it) => h('span', { title: named('policy', it.policy) }, tierBadge(it.policy, it.tier), ' '))],
    [t('owner'), (row) => row.owner ?? '–'],
    [t('region'), (row) => row.region ?? '–'],
    [t('raised'), (row) => when(row.since)],
  ];
  const building = await list(main, {
    title: t('nav.signals'),
    filters: choice(t('signal'), 'detector', detector, [['', t('any')], ...detectors],
      (event) => { location.hash = link('/signals', { detector: event.target.value }); }),
    columns,
    load: (after) => ask('signals', { detector, after }, signal),
    nothing: empty(t('empty.signals'), t('empty.signals.next')),
  });
  return { building, heard: (kind) => kind === 'reset' || kind === 'signal' };
}

export async function deliveries(main, parameters, signal) {
  const state = parameters.get('state') ?? '';
  const states = ['delivered', 'retrying', 'dead'].map((it) => [it, named('state', it)]);
  const columns = [
    [t('what'), (row) => named('kind', row.kind)],
    [t('customer'), (row) => (row.customer ? customer(row.customer) : t('operations'))],
    [t('route'), (row) => [row.route, h('small', {}, row.target)]],
    [t('state'), (row) => [h('span', { class: `chip ${row.state}` }, named('state', row.state)), row.reason ? h('small', {}, row.reason) : null]],
    [t('attempts'), (row) => row.attempts, 'number'],
    [t('when'), (row) => when(row.at)],
  ];
  const building = await list(main, {
    title: t('nav.deliveries'),
    filters: choice(t('state'), 'state', state, [['', t('any')], ...states],
      (event) => { location.hash = link('/deliveries', { state: event.target.value }); }),
    columns,
    load: (after) => ask('deliveries', { state, after }, signal),
    nothing: empty(t('empty.deliveries'), t('empty.deliveries.next')),
  });
  return { building, heard: (kind) => kind === 'reset' || kind === 'delivery' };
}

export async function status(main, _, signal) {
  const found = await ask('status', {}, signal);
  const letters = found.dead_letters;
  const row = (name, value) => h('div', {}, h('dt', {}, name), h('dd', {}, value));
  fill(main, h('h1', {}, t('nav.status')),
    section(t('mesh'), h('dl', { class: 'facts' },
      row(t('live'), found.live ? t('yes') : t('live.not')),
      row(t('tick'), instant(found.tick)),
      row(t('lag'), number(found.lag, 0)),
      row(t('built'), number(found.generation, 0)))),
    section(t('quiet'), found.quiet_sources.length === 0 ? empty(t('quiet.none')) : table(t('quiet'), [
      [t('source'), (it) => it.source], [t('quiet.since'), (it) => when(it.last_seen)]], found.quiet_sources)),
    section(t('dead_letters', { count: number(letters.open, 0) }), letters.open === 0 ? empty(t('dead_letters.none')) : [
      table(t('dead_letters', { count: '' }), [
        [t('when'), (it) => when(it.received)], [t('source'), (it) => it.source || '–'], [t('event'), (it) => it.id || '–'],
        [t('field'), (it) => it.field || '–'], [t('reason'), (it) => it.reason]], letters.recent),
      h('p', { class: 'next' }, t('dead_letters.next'))]),
    section(t('positions'), table(t('positions'), [
      [t('topic'), (it) => it.topic], [t('partition'), (it) => it.partition, 'number'],
      [t('next_offset'), (it) => number(it.next_offset, 0), 'number'], [t('end'), (it) => number(it.end, 0), 'number']],
    found.positions)));
  return { building: found.building, heard: (kind) => kind === 'reset' };
}
