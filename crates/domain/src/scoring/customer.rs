//! One customer as scoring knows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::views::{PaceSpec, SalesSpec, SalesWindow};
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
    /// The tier under each policy, by policy.
    pub standings: BTreeMap<NameId, Standing>,
    /// Sums over windows, one for each spec in force.
    pub(crate) sales: Vec<SalesWindow>,
    /// Pace, one for each spec in force.
    pub(crate) paces: Vec<Pace>,
    /// The exact values that stand in the ranked members, one for each ranked metric, in the order of their names.
    pub(crate) ranked: Vec<Option<i64>>,
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

impl Customer {
    /// Makes the views anew from the ledger, as of the last tick.
    pub(crate) fn derive(&mut self, sales: &[SalesSpec], paces: &[PaceSpec], names: &Names, now: Option<Millis>) {
        self.sales = sales.iter().map(|spec| SalesWindow::of(&self.ledger.orders, spec, names, now)).collect();
        self.paces = paces
            .iter()
            .map(|spec| {
                let mut pace = Pace::default();
                for entry in self.ledger.orders.entries() {
                    if let Some(time) = self.ledger.orders.counting_time(entry, spec.counts_when) {
                        pace.insert(time, &spec.zone);
                    }
                }
                pace
            })
            .collect();
    }
}
