//! One customer as scoring knows it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::views::{PaceSpec, SalesView, SalesWindow};
use crate::{
    ledger::Ledger,
    lifecycle::Pace,
    names::{NameId, Names},
    time::Millis,
};

/// A customer's facts, where they stand, and what is derived from both.
#[derive(Debug, Clone, Default)]
pub struct Customer {
    /// Every fact.
    pub ledger: Ledger,
    /// The tier under each policy.
    pub standings: Standings,
    /// Sums over windows, one for each view in force.
    pub(crate) sales: SmallVec<[SalesWindow; 1]>,
    /// Pace, one for each spec in force.
    pub(crate) paces: Vec<Pace>,
    /// When the calendar has this customer; `None`: never.
    pub(crate) due: Option<Millis>,
}

/// A tier that a customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub tier: NameId,
    /// The time of the fact or tick that gave it.
    pub since: Millis,
    /// Whether the values give another tier, which waits for the policy's review.
    pub waits: bool,
}

/// A customer's tiers, by policy. There are few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standings(SmallVec<[(NameId, Standing); 2]>);

impl Standings {
    /// The tier under a policy.
    pub fn get(&self, policy: NameId) -> Option<&Standing> {
        self.0.iter().find(|(known, _)| *known == policy).map(|(_, standing)| standing)
    }

    /// Likewise, to be changed.
    pub(crate) fn get_mut(&mut self, policy: NameId) -> Option<&mut Standing> {
        self.0.iter_mut().find(|(known, _)| *known == policy).map(|(_, standing)| standing)
    }

    /// Puts a tier in place of the one before.
    pub(crate) fn insert(&mut self, policy: NameId, standing: Standing) {
        match self.0.binary_search_by_key(&policy, |(known, _)| *known) {
            Ok(at) => self.0[at].1 = standing,
            Err(at) => self.0.insert(at, (policy, standing)),
        }
    }

    /// All, by the number of the policy's name.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (NameId, Standing)> + '_ {
        self.0.iter().copied()
    }
}

impl Customer {
    /// Makes the views anew from the ledger, as of the last tick.
    pub(crate) fn derive(&mut self, sales: &[SalesView], paces: &[PaceSpec], names: &Names, now: Option<Millis>) {
        let orders = &self.ledger.orders;
        self.sales = sales.iter().map(|view| view.sum(orders, names, now)).collect();
        self.paces = paces
            .iter()
            .map(|spec| {
                let mut pace = Pace::default();
                for entry in orders.entries() {
                    if let Some(time) = orders.counting_time(entry, spec.counts_when) {
                        pace.insert(time, &spec.zone);
                    }
                }
                pace
            })
            .collect();
    }
}
