// One customer: which tier, why this one, and all that happened.

import { ask, askTiers } from './api.js';
import { fill, h, link } from './dom.js';
import { direction, empty, figures, move, pages, stake, tierBadge, when } from './parts.js';
import { instant, money, named, number, percent, t } from './words.js';

export async function customer(main, _, signal, id) {
  await askTiers(signal);
  const path = `customers/${encodeURIComponent(id)}`;
  const head = h('div', { class: 'head' });
  const why = h('div', { class: 'standings' });
  const timeline = h('ol', { class: 'timeline', id: 'timeline' });

  async function load() {
    const found = await ask(path, {}, signal);
    fill(head, h('h1', {}, found.customer), h('dl', { class: 'facts' },
      [[t('owner'), found.owner], [t('region'), found.region], [t('language'), found.language],
        [t('events'), number(found.events, 0)], [t('first_event'), instant(found.first_event)],
        [t('last_event'), instant(found.last_event)]]
        .filter(([, value]) => value).map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
    found.signals.map(openSignal));
    fill(why, found.standings.length === 0 ? empty(t('empty.standings'), t('empty.standings.next'))
      : [...found.standings].sort(byWeight).map(standing));
    return found.building;
  }

  const building = await load();
  const { more, first } = pages((after) => ask(`${path}/timeline`, { after, limit: 40 }, signal),
    (items) => timeline.append(...items.map(moment)));
  await first();
  fill(main, h('p', { class: 'back' }, h('a', { href: link('/customers') }, '← ', t('nav.customers'))), head,
    h('div', { class: 'columns wide' },
      h('div', {}, h('h2', { class: 'over' }, t('why')), why),
      h('div', {}, h('h2', { class: 'over' }, t('timeline')), h('div', { class: 'card' }, timeline, more))));
  return {
    building,
    // What is shown hangs together: it is loaded anew.
    heard: (kind, item) => kind === 'reset' || item.customer === id,
  };
}

/** What has most to explain first: scores with their parts, then values, then stages. */
function byWeight(a, b) {
  const rank = (standing) => (standing.contributions.length > 0 ? 0 : standing.programme === 'value' ? 1 : 2);
  return rank(a) - rank(b) || a.policy.localeCompare(b.policy);
}

function openSignal(signal) {
  return h('p', { class: 'alert' }, h('strong', {}, named('detector', signal.detector)), ' ', figures(signal), ' · ',
    t('at_stake', { amount: stake(signal) }), ' · ', t('since', { when: instant(signal.since) }));
}

function standing(standing) {
  const waits = standing.reached !== standing.tier;
  const notes = [];
  if (waits) {
    notes.push(h('p', { class: 'pending' }, t('pending'), ' ', tierBadge(standing.policy, standing.reached), ' ',
      standing.review_at ? t('pending.at', { when: instant(standing.review_at) }) : t('pending.soon')));
  }
  if (standing.missing.length > 0) {
    const parts = standing.missing.map((part) => named('part', part)).join(', ');
    notes.push(h('p', { class: 'note' }, t('missing', { parts, coverage: percent(standing.coverage, 0) })));
  }
  return h('section', { class: 'card standing' },
    h('h3', {}, named('policy', standing.policy),
      h('small', {}, `${named('programme', standing.programme)} · v${standing.version}`)),
    h('p', { class: 'held' }, tierBadge(standing.policy, standing.tier),
      standing.score === null ? null : h('span', { class: 'points' }, number(standing.score), h('small', {}, ' / 100')),
      h('span', { class: 'since' }, t('since', { when: instant(standing.since) }))),
    notes, parts(standing), metrics(standing), cutPoints(standing));
}

function parts(standing) {
  if (standing.contributions.length === 0) return null;
  const total = standing.contributions.reduce((sum, part) => sum + Number(part.weight), 0) || 1;
  // Where parts have no data, the others may weigh more.
  const most = (part) => Number(part.weight) / (standing.reweighed && !part.missing ? standing.coverage : 1);
  const row = (part) => h('li', { class: part.missing ? 'absent' : null },
    h('span', { class: 'line' }, h('span', {}, named('part', part.part)),
      h('span', { class: 'of' }, part.missing ? t('no_data') : [h('strong', {}, number(part.points)), ' / ', number(most(part), 1)])),
    // As long as its weight, and as full as it has points.
    h('span', { class: 'track', width: `${Math.min(100, (most(part) / total) * 100)}%` },
      h('span', { width: `${most(part) ? Math.min(100, (Number(part.points) / most(part)) * 100) : 0}%` })));
  return h('ul', { class: 'parts', 'aria-label': t('parts') }, standing.contributions.map(row));
}

function metrics(standing) {
  const values = Object.entries(standing.metrics);
  if (values.length === 0) return null;
  const shown = (name, value) => (name === 'collection_rate' ? percent(value) : number(value));
  return h('dl', { class: 'metrics' }, values.map(([name, value]) =>
    h('div', {}, h('dt', {}, named('metric', name)), h('dd', {}, shown(name, value)))));
}

function cutPoints(standing) {
  const points = standing.cut_points;
  if (!points) return null;
  return h('div', { class: 'cuts' }, h('h4', {}, t('cut_points', { when: instant(points.as_of) })),
    h('ul', {}, points.tiers.map((tier) => h('li', {}, tierBadge(standing.policy, tier.tier), ' ',
      tier.at_least === null ? t('cut_points.none') : t('cut_points.from', { value: number(tier.at_least) })))));
}

function moment(item) {
  const [mark, what] = { fact, change, signal, delivery }[item.kind]?.(item[item.kind] ?? {}) ?? ['·', null];
  return h('li', { class: item.kind }, h('span', { class: 'mark', 'aria-hidden': 'true' }, mark),
    h('div', {}, what), when(item.at));
}

function fact(fact) {
  const { amount, currency, ...rest } = fact.data ?? {};
  const type = (fact.type ?? '').replace(/^tiermesh\./, '');
  const details = Object.entries(rest).map(([name, value]) => `${named('field', name)} ${value}`).join(' · ');
  return ['·', [h('span', {}, named('type', type), amount ? [' ', h('strong', {}, currency ? money(amount, currency) : amount)] : null),
    h('small', {}, [details, fact.source].filter(Boolean).join(' · '))]];
}

function change(change) {
  return [direction(change.direction), [h('span', {}, move(change), ' ', named('policy', change.policy)),
    h('small', {}, named('cause', change.cause))]];
}

function signal(signal) {
  return [signal.state === 'cleared' ? '○' : '!', [h('span', {}, h('strong', {}, named('detector', signal.detector)), ' ',
    named('state', signal.state)), h('small', {}, figures(signal))]];
}

function delivery(delivery) {
  return ['↗', [h('span', {}, t('told', { route: delivery.route }), ' ', named('state', delivery.state)),
    h('small', {}, [delivery.target, delivery.reason].filter(Boolean).join(' · '))]];
}
