// The overview: how tiers are spread, what is at stake, what changes right now.

import { ask, askTiers } from './api.js';
import { fill, h, link } from './dom.js';
import { changeItem, customer, empty, figures, section, stake, tierStep } from './parts.js';
import { instant, named, number, percent, t } from './words.js';

const FEED = 12;
const SIGNALS = 8;
/** What is counted is counted again at most so often, however much happens. */
const COUNT_AGAIN_AFTER = 1500;

export async function overview(main, _, signal) {
  const kpis = h('div', { class: 'kpis' });
  const tiers = h('div', { class: 'spreads' });
  const signals = h('div', {});
  const feed = h('ol', { class: 'feed', id: 'feed', 'aria-live': 'off' });
  const nothing = h('div', {});

  async function count() {
    const [status, spread, open] = await Promise.all([
      ask('status', {}, signal), askTiers(signal), ask('signals', { limit: SIGNALS }, signal),
    ]);
    fill(kpis, kpi('customers', t('kpi.customers'), status.customers, '/customers'),
      kpi('signals', t('kpi.signals'), status.open_signals, '/signals'),
      kpi('delivered', t('kpi.delivered'), status.deliveries.delivered ?? 0, '/deliveries'),
      kpi('letters', t('kpi.dead_letters'), status.dead_letters.open, '/status'),
      h('p', { class: 'tick' }, status.tick ? t('as_of', { when: instant(status.tick) }) : t('no_tick')));
    fill(tiers, spread.policies.length === 0 ? empty(t('empty.policies'), t('empty.policies.next'))
      : [...spread.policies].sort(byProgramme).map(distribution));
    fill(signals, open.items.length === 0 ? empty(t('empty.signals'), t('empty.signals.next')) : atStake(open.items));
    return spread.building;
  }

  const building = await count();
  const recent = await ask('changes', { limit: FEED }, signal);
  fill(feed, recent.items.map((change) => changeItem(change, false)));
  fill(nothing, recent.items.length === 0 ? empty(t('empty.changes'), t('empty.changes.next')) : null);
  fill(main, h('h1', {}, t('nav.overview')), kpis,
    h('h2', { class: 'over' }, t('tiers')), tiers,
    h('div', { class: 'columns' }, section(t('signals.at_stake'), signals), section(t('changes.live'), nothing, feed)));

  let waiting = null;
  const again = () => {
    waiting ??= setTimeout(() => {
      waiting = null;
      if (!signal.aborted) count().catch(() => {});
    }, COUNT_AGAIN_AFTER);
  };
  return {
    building,
    heard(kind, item) {
      if (kind === 'reset') return true;
      if (kind === 'change') {
        fill(nothing);
        feed.prepend(changeItem(item, true));
        while (feed.children.length > FEED) feed.lastElementChild.remove();
      }
      again();
      return false;
    },
  };
}

function kpi(name, label, value, path) {
  return h('a', { class: 'kpi', id: `kpi-${name}`, href: link(path) }, h('strong', {}, number(value, 0)), h('span', {}, label));
}

function byProgramme(a, b) {
  // What a customer is worth first, then where the relationship stands.
  const rank = (policy) => (policy.programme === 'value' ? 0 : 1);
  return rank(a) - rank(b) || b.customers - a.customers || a.policy.localeCompare(b.policy);
}

function distribution(policy) {
  const of = (tier) => ({ policy: policy.policy, tier: tier.tier });
  const share = (tier) => (policy.customers ? tier.customers / policy.customers : 0);
  const bar = policy.tiers.filter((tier) => tier.customers > 0).map((tier) =>
    h('span', { class: tierStep(policy.policy, tier.tier), width: `${share(tier) * 100}%`, title: named('tier', tier.tier) }));
  const legend = policy.tiers.map((tier) => h('li', {},
    h('a', { href: link('/customers', of(tier)) },
      h('span', { class: `dot ${tierStep(policy.policy, tier.tier)}` }),
      h('span', { class: 'name' }, named('tier', tier.tier)),
      h('span', { class: 'count' }, number(tier.customers, 0)),
      h('span', { class: 'share' }, percent(share(tier))))));
  return h('section', { class: 'card spread' },
    h('h3', {}, named('policy', policy.policy), h('small', {}, `${named('programme', policy.programme)} · v${policy.version}`)),
    h('div', { class: 'bar', role: 'presentation' }, bar), h('ul', { class: 'legend' }, legend));
}

function atStake(signals) {
  const most = Math.max(...signals.map((signal) => Number(signal.at_stake)), 1);
  return [h('ol', { class: 'stakes' }, signals.map((signal) => h('li', {},
    h('span', { class: 'line' }, customer(signal.customer), h('strong', {}, stake(signal))),
    h('span', { class: 'track' }, h('span', { width: `${Math.max(1, (Number(signal.at_stake) / most) * 100)}%` })),
    h('small', {}, named('detector', signal.detector), ' · ', figures(signal))))),
  h('p', {}, h('a', { href: link('/signals') }, t('signals.all')))];
}
