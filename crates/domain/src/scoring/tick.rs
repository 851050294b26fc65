//! Ticks: windows move, boundaries are reported, and those whom time moved are tiered, once.

use std::collections::BTreeSet;

use smallvec::SmallVec;
use tiermesh_proto::v1::{CutPointDemand, Summary};

use super::{
    CUT_POINT_INTERVAL_MS, Scoring,
    apply::Applied,
    explain::Cause,
    qualify::{Occasion, ReviewDue},
    views::window_start,
};
use crate::{
    fold::{AHEAD, Effect},
    names::NameId,
    policy::{Measure, Method},
    time::{DAY_MS, Millis},
};

impl Scoring {
    pub(crate) fn tick(&mut self, now: Millis, effects: &mut Vec<Effect>) -> Applied {
        if self.time.is_some_and(|time| now <= time) {
            return Applied::Nothing;
        }
        self.previous_time = self.time;
        let boundary = self.boundary_at(now);
        let mut moved = BTreeSet::new();
        if let Some(boundary) = boundary {
            // Time is brought to the boundary first, so that what is reported doesn't depend on when the tick came.
            self.advance(boundary, &mut moved);
            self.last_boundary = Some(boundary);
            effects.push(Effect::Summary(self.summary(boundary)));
        }
        self.advance(now, &mut moved);
        // Whose customers are tiered now, and if it is a review, since when its period lasted.
        let mut turns: Vec<(usize, NameId, Option<Millis>)> = Vec::new();
        for (number, active) in self.policies.iter_mut().enumerate() {
            let relative = matches!(active.policy.method, Method::Relative(_));
            let mut review = active.policy.review_at(self.previous_time, now);
            if relative {
                active.awaiting = boundary.or(active.awaiting);
                if let Some(since) = review.take() {
                    active.review_due = Some(ReviewDue { boundary: boundary.unwrap_or(now), since });
                }
            }
            if relative && active.awaiting.is_some() {
                active.moved.extend(&moved);
            } else {
                turns.push((number, active.name, review));
            }
        }
        for (policy, name, review) in turns {
            let waiting = review.map(|_| self.waiting_for(name)).unwrap_or_default();
            let waiting = waiting.into_iter().filter(|at| !moved.contains(at));
            for at in moved.iter().copied().chain(waiting) {
                self.tier(at, policy, &Occasion { cause: Cause::Time, when: now, review }, effects);
            }
        }
        Applied::Tick(now)
    }

    /// The boundary that a tick reports, if it reports one.
    fn boundary_at(&self, now: Millis) -> Option<Millis> {
        let any_relative = self.policies.iter().any(|active| matches!(active.policy.method, Method::Relative(_)));
        let boundary = if self.live { now.div_euclid(CUT_POINT_INTERVAL_MS) * CUT_POINT_INTERVAL_MS } else { now };
        // History may have ended beyond the boundary that the clock has reached: wait for the next.
        let new = self.last_boundary.is_none_or(|last| boundary > last) && self.time.is_none_or(|time| boundary > time);
        // Live, one is due each minute: it tells which sources send.
        ((any_relative || self.live) && new).then_some(boundary)
    }

    /// Brings time to `now`: what left windows is taken out, of those customers only for whom anything did.
    fn advance(&mut self, now: Millis, moved: &mut BTreeSet<u32>) {
        if self.time.is_some_and(|time| now <= time) {
            return;
        }
        let before = self.time.replace(now);
        loop {
            let due: SmallVec<[u32; AHEAD]> = self.calendar.take_due(now).take(AHEAD).collect();
            if due.is_empty() {
                return;
            }
            self.touch(&due);
            for at in due {
                self.advance_one(at, before, now);
                moved.insert(at);
            }
        }
    }

    fn advance_one(&mut self, at: u32, before: Option<Millis>, now: Millis) {
        if let Some((_, customer)) = self.customers.get_index_mut(at as usize) {
            customer.due = None;
            let values: SmallVec<[Option<i64>; 4]> =
                self.ranked.values().map(|ranked| ranked.value(customer)).collect();
            for (view, window) in self.sales_views.iter().zip(&mut customer.sales) {
                view.advance(window, &customer.ledger.orders, &self.names, before, now);
            }
            for (ranked, value) in self.ranked.values_mut().zip(values) {
                ranked.members.shift(at, value, ranked.value(customer));
            }
        }
        self.reschedule(at);
    }

    /// Writes into the calendar when time alone may next change something for a customer.
    pub(crate) fn reschedule(&mut self, at: u32) {
        let due = self.next_change(at);
        if let Some((_, customer)) = self.customers.get_index_mut(at as usize) {
            self.calendar.reschedule(at, customer.due, due);
            customer.due = due;
        }
    }

    pub(crate) fn next_change(&self, at: u32) -> Option<Millis> {
        let (_, customer) = self.customers.get_index(at as usize)?;
        // Before the first tick windows hold everything: that tick looks at everybody.
        let Some(now) = self.time else { return Some(Millis::MIN) };
        let mut due: Option<Millis> = None;
        let mut consider = |at: Option<Millis>| due = [due, at].into_iter().flatten().min();
        for (view, window) in self.sales_views.iter().zip(&customer.sales) {
            let first = (window.first < Millis::MAX).then_some(window.first);
            consider(first.map(|time| time.saturating_add(i64::from(view.spec.days) * DAY_MS)));
        }
        for active in &self.policies {
            let policy = &*active.policy;
            match &policy.method {
                Method::Lifecycle(rules) => {
                    let pace = active.plan.pace.and_then(|at| customer.paces.get(at));
                    consider(pace.and_then(|pace| pace.next_change(now, rules, &policy.zone)));
                }
                Method::Score(parts) => {
                    for metric in parts.iter().map(|part| part.metric) {
                        let length = i64::from(metric.days) * DAY_MS;
                        match metric.measure {
                            Measure::Interactions => {
                                let first =
                                    customer.ledger.first_interaction_after(window_start(Some(now), metric.days));
                                consider(first.map(|time| time + length));
                            }
                            Measure::CollectionRate => {
                                consider(customer.ledger.receivables().next_change(now, metric.days, &policy.zone));
                            }
                            Measure::NetSales | Measure::Orders | Measure::Categories => {}
                        }
                    }
                }
                Method::Relative(_) => {}
            }
        }
        due
    }

    fn summary(&mut self, boundary: Millis) -> Summary {
        let demands = self.policies.iter().filter_map(|active| {
            let Method::Relative(rule) = &active.policy.method else { return None };
            Some(CutPointDemand {
                policy: active.policy.name.clone(),
                version: active.policy.version,
                metric: active.plan.ranked.clone()?,
                rule: rule.by.name().to_owned(),
                below_millionths: active.policy.tiers.iter().filter_map(|tier| tier.bound).collect(),
            })
        });
        let withdrawn = std::mem::take(&mut self.withdrawn);
        let withdrawn = withdrawn.into_iter().map(|(name, changes)| changes.into_summary(&name));
        let reported = self.ranked.iter_mut().map(|(name, ranked)| ranked.members.take_changes(name));
        Summary {
            origin: None,
            boundary_ms: boundary,
            partitions: self.partitions,
            demands: demands.collect(),
            metrics: reported.chain(withdrawn).collect(),
            sources: self.take_sources(),
            live: self.live,
        }
    }
}
