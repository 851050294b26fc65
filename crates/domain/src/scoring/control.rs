//! Control records: policies, cut-points, logic, and the end of history.

use std::{collections::BTreeSet, sync::Arc};

use tiermesh_proto::v1::{ControlCopy, CutPoints, control::Control};

use super::{
    ActivePolicy, CutPointsInForce, KNOWN_LOGIC, Scoring, apply::Applied, explain::Cause, plan::Plan, qualify::Occasion,
};
use crate::{
    fold::{Effect, FoldError},
    policy::{self, Document, Policy},
    time::Millis,
};

impl Scoring {
    pub(crate) fn control(&mut self, copy: &ControlCopy, effects: &mut Vec<Effect>) -> Result<Applied, FoldError> {
        if self.last_control.is_some_and(|last| copy.number <= last) {
            return Ok(Applied::Nothing);
        }
        self.last_control = Some(copy.number);
        let control = copy.control.as_ref().and_then(|control| control.control.as_ref());
        match control.ok_or_else(|| FoldError::corrupt("a control record is empty, or of a later release"))? {
            Control::LogicActivated(logic) => {
                if !KNOWN_LOGIC.contains(&logic.logic) {
                    return Err(FoldError::UnknownLogic { wanted: logic.logic, known: KNOWN_LOGIC.to_vec() });
                }
                self.logic = logic.logic;
            }
            Control::PolicyActivated(activated) => {
                if let Document::Tiers(policy) = policy::parse(&activated.text)? {
                    let name = self.put_in_force(*policy, &activated.text);
                    self.replan();
                    self.tier_everybody(&name, effects);
                }
            }
            Control::CutPoints(cut_points) => self.take_cut_points(cut_points, effects),
            Control::Live(_) => self.live = true,
            // Scoring raises no signals.
            Control::DetectorsActivated(_) | Control::SourceQuiet(_) | Control::SourceBack(_) => {}
        }
        Ok(Applied::Control)
    }

    /// Puts a policy in force, in place of an earlier one of its name; its name. What it looks at is planned next.
    pub(crate) fn put_in_force(&mut self, policy: Policy, text: &str) -> String {
        let name = policy.name.clone();
        let active = ActivePolicy {
            name: self.names.id(&name),
            policy: Arc::new(policy),
            text: text.to_owned(),
            cut_points: None,
            awaiting: None,
            moved: BTreeSet::new(),
            review_due: None,
            plan: Plan::default(),
        };
        self.policies.insert(name.clone(), active);
        name
    }

    fn tier_everybody(&mut self, policy: &str, effects: &mut Vec<Effect>) {
        for at in 0..self.customers.len() as u32 {
            let latest = self.customers.get_index(at as usize).map_or(0, |(_, customer)| customer.ledger.latest);
            let when = self.time.unwrap_or(latest);
            self.tier(at, policy, &Occasion { cause: Cause::Policy, when, review: None }, effects);
        }
    }

    /// Takes new cut-points, and tiers only those whom they pass by or whom time moved since the last.
    fn take_cut_points(&mut self, cut_points: &CutPoints, effects: &mut Vec<Effect>) {
        let Some(active) = self.policies.get_mut(&cut_points.policy) else { return };
        let outdated = active.cut_points.as_ref().is_some_and(|known| cut_points.as_of_ms <= known.as_of);
        if active.policy.version != cut_points.version || outdated {
            return;
        }
        let values: Vec<Option<i64>> =
            cut_points.values.iter().map(|value| value.reachable.then_some(value.at_least)).collect();
        let in_force = CutPointsInForce { as_of: cut_points.as_of_ms, values };
        let before = active.cut_points.replace(in_force.clone());
        let mut moved = BTreeSet::new();
        if active.awaiting.is_some_and(|boundary| boundary <= cut_points.as_of_ms) {
            active.awaiting = None;
            moved = std::mem::take(&mut active.moved);
        }
        let review = active.review_due.take_if(|due| due.boundary <= cut_points.as_of_ms).map(|due| due.since);
        let mut passed: BTreeSet<u32> = BTreeSet::new();
        let name = active.policy.name.clone();
        match before {
            // The first cut-points decide about everybody, also about those outside the population.
            None => passed.extend(0..self.customers.len() as u32),
            Some(before) => {
                if let Some(ranked) = active.plan.ranked.as_ref().and_then(|metric| self.ranked.get(metric)) {
                    for (old, new) in before.values.iter().zip(&in_force.values) {
                        let (old, new) = (old.unwrap_or(i64::MAX), new.unwrap_or(i64::MAX));
                        passed.extend(ranked.members.between(old.min(new), old.max(new)));
                    }
                }
            }
        }
        if review.is_some() {
            passed.extend(self.waiting_for(&name));
        }
        let when: Millis = self.time.unwrap_or(cut_points.as_of_ms);
        for at in passed.union(&moved) {
            let cause = if moved.contains(at) { Cause::Time } else { Cause::CutPoints };
            self.tier(*at, &name, &Occasion { cause, when, review }, effects);
        }
    }
}
