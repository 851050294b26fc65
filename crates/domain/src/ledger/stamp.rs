//! Where a fact stands among its customer's: time, source, id.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{
    names::{NameId, Names},
    time::Millis,
};

/// A fact's place in the total order, among facts of one customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stamp {
    /// When it happened.
    pub time: Millis,
    /// Number of its source in the partition's names.
    pub source: NameId,
    /// Its id.
    pub id: Box<str>,
}

/// The same, of a fact at hand.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// When it happened.
    pub time: Millis,
    /// Number of its source in the partition's names.
    pub source: NameId,
    /// Its id.
    pub id: &'a str,
}

impl Moment<'_> {
    /// Compares by (time, source, id), bytewise. The numbers of names say nothing about their order.
    pub fn order(&self, other: &Self, names: &Names) -> Ordering {
        self.time.cmp(&other.time).then_with(|| {
            if self.source == other.source {
                self.id.cmp(other.id)
            } else {
                names.text(self.source).cmp(names.text(other.source))
            }
        })
    }
}

impl Stamp {
    /// That of a fact at hand.
    pub fn of(moment: Moment<'_>) -> Self {
        Self { time: moment.time, source: moment.source, id: moment.id.into() }
    }

    /// As of a fact at hand.
    pub fn moment(&self) -> Moment<'_> {
        Moment { time: self.time, source: self.source, id: &self.id }
    }

    /// Compares by (time, source, id), bytewise.
    pub fn order(&self, other: &Self, names: &Names) -> Ordering {
        self.moment().order(&other.moment(), names)
    }
}
