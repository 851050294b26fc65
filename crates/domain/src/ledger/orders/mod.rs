//! Orders and refunds of one customer.
//!
//! An order's values are those of its latest correction, its time that of its placing, its net what refunds that name
//! it leave over; so facts may come in any order. What concerns an order that isn't placed yet waits with it.
//!
//! Nearly every order is placed once, behind all others, and nothing else happens to it: that is 48 bytes and its body.
//! What is rarer stands apart.

mod amendment;
mod entry;
mod form_2;
mod save;
mod take;
mod times;

use std::collections::BTreeMap;

use amendment::Amendment;
pub use amendment::Line;
pub(crate) use form_2::OrdersOfForm2;
use smallvec::SmallVec;

use self::{entry::Entry, times::Times};
use super::known::{Index, scanned};
use crate::{
    names::{NameId, Names},
    policy::{CountsWhen, Valuation},
    time::Millis,
};

/// Orders and refunds of one customer.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// In the order they were first heard of.
    entries: Vec<Entry>,
    /// Of each entry, the hash of the order's id.
    keys: Vec<u64>,
    /// Of each entry that happened, the id of its event and its lines, end to end.
    bodies: Vec<u8>,
    /// The sources that said something of them.
    sources: SmallVec<[NameId; 4]>,
    rare: Option<Box<Rare>>,
}

/// What most customers don't need.
#[derive(Debug, Clone, Default)]
struct Rare {
    index: Index,
    times: Times,
    /// By entry.
    amendments: BTreeMap<u32, Amendment>,
}

/// An order, or a refund that names none, by its number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryRef(u32);

/// What a fact touches: an entry that is there, or the one that it brings.
#[derive(Debug, Clone, Copy)]
pub struct Touched {
    /// The entry.
    pub entry: EntryRef,
    /// Whether the fact brings it.
    pub is_new: bool,
    key: u64,
}

/// What an order or refund adds to sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution {
    /// From this instant on.
    pub time: Millis,
    /// In minor units of the valuation's currency.
    pub value: i64,
    /// 1 for a counting order, 0 for a refund.
    pub orders: i64,
}

impl Orders {
    /// The order of that key, as it is or as it will be.
    pub(super) fn order(&self, key: u64) -> Touched {
        let key_of = |place: usize| self.keys[place];
        let found = match &self.rare {
            Some(rare) => rare.index.find(key, self.keys.len(), key_of),
            None => Index::default().find(key, self.keys.len(), key_of),
        };
        match found {
            Some(place) => Touched { entry: EntryRef(place), is_new: false, key },
            None => Touched { entry: EntryRef(self.entries.len() as u32), is_new: true, key },
        }
    }

    /// The next refund that names no order. Its key is one that no order has: no more likely than that two orders share one.
    pub(super) fn refund_without_order(&self) -> Touched {
        let place = self.entries.len() as u32;
        Touched { entry: EntryRef(place), is_new: true, key: u64::from(place) }
    }

    /// What an entry adds to sales, if it counts. A currency without a rate is held out: the order counts, with 0.
    pub fn contribution(
        &self,
        entry: EntryRef,
        counts_when: CountsWhen,
        valuation: &Valuation,
        names: &Names,
    ) -> Option<Contribution> {
        let known = self.entries.get(entry.0 as usize)?;
        let value_of = |minor, currency| valuation.value(minor, names.text(currency)).unwrap_or(0);
        if known.is_refund() {
            return Some(Contribution { time: known.time, value: -value_of(known.minor, known.currency), orders: 0 });
        }
        let (minor, currency) = self.counting(entry, known, counts_when)?;
        Some(Contribution { time: known.time, value: value_of(minor, currency), orders: 1 })
    }

    /// The time of placing of an entry that is a counting order.
    pub fn counting_time(&self, entry: EntryRef, counts_when: CountsWhen) -> Option<Millis> {
        let known = self.entries.get(entry.0 as usize).filter(|known| !known.is_refund())?;
        self.counting(entry, known, counts_when).map(|_| known.time)
    }

    /// An order's net amount and currency while it is a counting order.
    fn counting(&self, entry: EntryRef, known: &Entry, counts_when: CountsWhen) -> Option<(i64, NameId)> {
        if !known.may_count(counts_when) {
            return None;
        }
        let (minor, currency, refunded) = match self.amendment(entry, known) {
            None => (known.minor, known.currency, 0),
            Some(amendment) => {
                let (minor, currency) =
                    amendment.correction.as_ref().map_or((known.minor, known.currency), |it| (it.minor, it.currency));
                (minor, currency, amendment.refunded(currency))
            }
        };
        let net = minor.saturating_sub(refunded).max(0);
        (net > 0 || minor == 0).then_some((net, currency))
    }

    /// Whether an entry has lines of its own, or others by correction or refund.
    pub fn has_lines(&self, entry: EntryRef) -> bool {
        self.entries.get(entry.0 as usize).is_some_and(|known| known.body.lines > 0 || known.is_amended())
    }

    /// Whether an entry adds to breadth, and if so: whether it is an order with lines, and its lines, those that refunds
    /// take back negative.
    pub fn breadth(&self, entry: EntryRef, counts_when: CountsWhen, mut line: impl FnMut(Line, i64)) -> Option<bool> {
        let known = self.entries.get(entry.0 as usize)?;
        if known.is_refund() {
            known.lines(&self.bodies).for_each(|it| line(it, -1));
            return Some(false);
        }
        self.counting(entry, known, counts_when)?;
        let amendment = self.amendment(entry, known);
        let corrected = amendment.and_then(|amendment| amendment.correction.as_ref());
        let mut any = false;
        let mut add = |it| {
            any = true;
            line(it, 1);
        };
        match corrected {
            Some(version) => version.lines.iter().copied().for_each(&mut add),
            None => known.lines(&self.bodies).for_each(&mut add),
        }
        amendment.iter().flat_map(|amendment| &amendment.refunded_lines).for_each(|it| line(*it, -1));
        Some(any)
    }

    /// The id of the event that placed the order, or of the refund.
    pub fn event_id(&self, entry: EntryRef) -> Option<&str> {
        self.entries.get(entry.0 as usize).filter(|known| known.has_time()).map(|known| known.id(&self.bodies))
    }

    /// The sources that said something of them, by their numbers.
    pub fn sources(&self) -> &[NameId] {
        &self.sources
    }

    /// Some of what the next order looks at: see [`super::Ledger::touched`].
    pub(super) fn touched(&self) -> u64 {
        let keys = scanned(&self.keys).iter().step_by(8).chain(self.keys.last()).fold(0, |touched, key| touched ^ key);
        keys ^ self.entries.last().map_or(0, |entry| entry.time as u64)
            ^ self.bodies.last().map_or(0, |byte| u64::from(*byte))
    }

    fn amendment(&self, entry: EntryRef, known: &Entry) -> Option<&Amendment> {
        if !known.is_amended() {
            return None;
        }
        self.rare.as_ref()?.amendments.get(&entry.0)
    }
}
