//! What changed an order after it was placed, or before it was heard of.

use serde::{Deserialize, Serialize};

use crate::{ledger::Stamp, names::NameId};

/// Corrections and refunds of one order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Amendment {
    /// The latest correction.
    pub(super) correction: Option<Version>,
    /// What was given back, by currency.
    pub(super) refunds: Vec<(NameId, i64)>,
    pub(super) refunded_lines: Vec<Line>,
}

/// Values of an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) stamp: Stamp,
    pub(super) minor: i64,
    pub(super) currency: NameId,
    pub(super) lines: Box<[Line]>,
}

/// How much of which category; quantities in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Number of the category in the partition's names.
    pub category: NameId,
    /// Millionths.
    pub quantity: i64,
}

impl Amendment {
    /// What was given back in a currency.
    pub(super) fn refunded(&self, currency: NameId) -> i64 {
        let same = self.refunds.iter().filter(|(known, _)| *known == currency);
        same.fold(0, |sum, (_, minor)| sum.saturating_add(*minor))
    }

    pub(super) fn refund(&mut self, currency: NameId, minor: i64) {
        match self.refunds.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, known)) => *known = known.saturating_add(minor),
            None => self.refunds.push((currency, minor)),
        }
    }
}
