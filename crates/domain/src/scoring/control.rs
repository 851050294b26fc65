//! Control records: policies, cut-points, logic, and the end of history.

use std::{collections::BTreeSet, sync::Arc};

use tiermesh_proto::v1::{ControlCopy, CutPoints, control::Control};

use super::{ActivePolicy, CutPointsInForce, Scoring, apply::Applied, explain::Cause, plan::Plan, qualify::Occasion};
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
        let control = copy.control.as_ref().and_then(|control| control.control.as_ref());
        let control = control.ok_or_else(|| FoldError::corrupt("a control record is empty, or of a later release"))?;
        if let Control::LogicActivated(activated) = control {
            // Before anything changes: the state stays that of the record before.
            self.must_know(activated.logic)?;
        }
        self.last_control = Some(copy.number);
        match control {
            // It only rises: a lower number is the late word of a writer that was overtaken.
            Control::LogicActivated(activated) => self.logic = self.logic.max(activated.logic),
            Control::PolicyActivated(activated) => {
                if let Document::Tiers(policy) = policy::parse(&activated.text)? {
                    let number = self.put_in_force(*policy, &activated.text);
                    self.replan();
                    self.tier_everybody(number, effects);
                }
            }
            Control::CutPoints(cut_points) => self.take_cut_points(cut_points, effects),
            Control::Live(_) => self.live = true,
            // Scoring raises no signals.
            Control::DetectorsActivated(_) | Control::SourceQuiet(_) | Control::SourceBack(_) => {}
        }
        Ok(Applied::Control)
    }

    /// How facts are folded; 0 before the log says so.
    pub(crate) fn logic(&self) -> u32 {
        self.logic
    }

    /// Stops where the log, or a save, asks for a way of folding that isn't known.
    pub(crate) fn must_know(&self, logic: u32) -> Result<(), FoldError> {
        match self.known_logic.contains(&logic) {
            true => Ok(()),
            false => Err(FoldError::UnknownLogic { wanted: logic, known: self.known_logic.to_vec() }),
        }
    }

    /// Puts a policy in force, in place of an earlier one of its name; its number. What it looks at is planned next.
    pub(crate) fn put_in_force(&mut self, policy: Policy, text: &str) -> usize {
        let place = self.policies.binary_search_by(|known| known.policy.name.cmp(&policy.name));
        let active = ActivePolicy {
            name: self.names.id(&policy.name),
            tiers: policy.tiers.iter().map(|tier| self.names.id(&tier.name)).collect(),
            policy: Arc::new(policy),
            text: text.to_owned(),
            cut_points: None,
            awaiting: None,
            moved: BTreeSet::new(),
            review_due: None,
            plan: Plan::default(),
        };
        match place {
            Ok(at) => self.policies[at] = active,
            Err(at) => self.policies.insert(at, active),
        }
        place.unwrap_or_else(|at| at)
    }

    fn tier_everybody(&mut self, policy: usize, effects: &mut Vec<Effect>) {
        for at in 0..self.customers.len() as u32 {
            let latest = self.customers.get_index(at as usize).map_or(0, |(_, customer)| customer.ledger.latest);
            let when = self.time.unwrap_or(latest);
            self.tier(at, policy, &Occasion { cause: Cause::Policy, when, review: None }, effects);
        }
    }

    /// Takes new cut-points, and tiers only those whom they pass by or whom time moved since the last.
    fn take_cut_points(&mut self, cut_points: &CutPoints, effects: &mut Vec<Effect>) {
        let Some(number) = self.policies.iter().position(|active| active.policy.name == cut_points.policy) else {
            return;
        };
        let active = &mut self.policies[number];
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
        let name = active.name;
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
            passed.extend(self.waiting_for(name));
        }
        let when: Millis = self.time.unwrap_or(cut_points.as_of_ms);
        for at in passed.union(&moved) {
            let cause = if moved.contains(at) { Cause::Time } else { Cause::CutPoints };
            self.tier(*at, number, &Occasion { cause, when, review }, effects);
        }
    }
}
