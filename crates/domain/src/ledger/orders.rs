//! Orders and refunds of one customer.
//!
//! An order's values are those of its latest correction, its time that of its placing, its net what refunds that name
//! it leave over; so facts may come in any order. What concerns an order that isn't placed yet waits with it.

use std::cmp::Ordering;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use tiermesh_proto::v1;

use super::stamp::Stamp;
use crate::{
    hash::identity_of,
    names::{NameId, Names},
    policy::{CountsWhen, Valuation},
    time::Millis,
};

/// Orders and refunds of one customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Orders {
    orders: IndexMap<u128, Order, FxBuildHasher>,
    loose_refunds: Vec<LooseRefund>,
    /// Everything that can contribute to sales, by time.
    by_time: Vec<(Millis, EntryRef)>,
    has_lines: bool,
}

/// An order, or a refund that names none, by its number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntryRef {
    /// An order.
    Order(u32),
    /// A refund that names no order.
    LooseRefund(u32),
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

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Order {
    placing: Option<Version>,
    correction: Option<Version>,
    paid: bool,
    fulfilled: bool,
    cancelled: bool,
    refunds: Vec<(NameId, i64)>,
    refunded_lines: Vec<Line>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Version {
    stamp: Stamp,
    minor: i64,
    currency: NameId,
    lines: Box<[Line]>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LooseRefund {
    stamp: Stamp,
    minor: i64,
    currency: NameId,
    lines: Box<[Line]>,
}

/// How much of which category; quantities in millionths.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Line {
    category: NameId,
    quantity: i64,
}

impl Order {
    fn current(&self) -> Option<&Version> {
        self.placing.as_ref().map(|placing| self.correction.as_ref().unwrap_or(placing))
    }

    fn reached(&self, counts_when: CountsWhen) -> bool {
        match counts_when {
            CountsWhen::Placed => true,
            CountsWhen::Paid => self.paid,
            CountsWhen::Fulfilled => self.fulfilled,
        }
    }

    /// The order's net amount and currency while it is a counting order.
    fn counting(&self, counts_when: CountsWhen) -> Option<(i64, NameId)> {
        let version = self.current().filter(|_| !self.cancelled && self.reached(counts_when))?;
        let refunded: i64 =
            self.refunds.iter().filter(|(currency, _)| *currency == version.currency).map(|(_, minor)| minor).sum();
        let net = version.minor.saturating_sub(refunded).max(0);
        (net > 0 || version.minor == 0).then_some((net, version.currency))
    }
}

impl Orders {
    /// The order of that id, as it is or as it will be numbered.
    pub fn entry_of(&self, order_id: &str) -> EntryRef {
        let at = self.orders.get_index_of(&identity_of(&[order_id])).unwrap_or(self.orders.len());
        EntryRef::Order(at as u32)
    }

    /// The number that the next refund without an order will get.
    pub fn next_loose_refund(&self) -> EntryRef {
        EntryRef::LooseRefund(self.loose_refunds.len() as u32)
    }

    /// What an entry adds to sales, if it counts. A currency without a rate is held out: the order counts, with 0.
    pub fn contribution(
        &self,
        entry: EntryRef,
        counts_when: CountsWhen,
        valuation: &Valuation,
        names: &Names,
    ) -> Option<Contribution> {
        let value_of = |minor, currency| valuation.value(minor, names.text(currency)).unwrap_or(0);
        match entry {
            EntryRef::Order(at) => {
                let (_, order) = self.orders.get_index(at as usize)?;
                let (minor, currency) = order.counting(counts_when)?;
                let time = order.placing.as_ref()?.stamp.time;
                Some(Contribution { time, value: value_of(minor, currency), orders: 1 })
            }
            EntryRef::LooseRefund(at) => {
                let refund = self.loose_refunds.get(at as usize)?;
                let value = -value_of(refund.minor, refund.currency);
                Some(Contribution { time: refund.stamp.time, value, orders: 0 })
            }
        }
    }

    /// The time of placing of an entry that is a counting order.
    pub fn counting_time(&self, entry: EntryRef, counts_when: CountsWhen) -> Option<Millis> {
        let EntryRef::Order(at) = entry else { return None };
        let (_, order) = self.orders.get_index(at as usize)?;
        order.counting(counts_when)?;
        order.placing.as_ref().map(|placing| placing.stamp.time)
    }

    /// The entries after `start` up to and including `end`, by time.
    pub fn between(&self, start: Millis, end: Millis) -> impl Iterator<Item = EntryRef> + '_ {
        let first = self.by_time.partition_point(|(time, _)| *time <= start);
        let last = self.by_time.partition_point(|(time, _)| *time <= end);
        self.by_time[first..last.max(first)].iter().map(|(_, entry)| *entry)
    }

    /// The time of the first entry after `start`.
    pub fn first_after(&self, start: Millis) -> Option<Millis> {
        self.by_time.get(self.by_time.partition_point(|(time, _)| *time <= start)).map(|(time, _)| *time)
    }

    /// The id of the event that placed the last order or refund in time.
    pub fn last_event_id(&self) -> Option<&str> {
        self.event_id(self.by_time.last()?.1)
    }

    /// The id of the event that placed the order, or of the refund.
    pub fn event_id(&self, entry: EntryRef) -> Option<&str> {
        match entry {
            EntryRef::Order(at) => Some(&self.orders.get_index(at as usize)?.1.placing.as_ref()?.stamp.id),
            EntryRef::LooseRefund(at) => Some(&self.loose_refunds.get(at as usize)?.stamp.id),
        }
    }

    /// Number of categories with a positive net quantity after `start`; `None` if no counting order there has lines.
    pub fn categories_after(&self, start: Millis, counts_when: CountsWhen) -> Option<usize> {
        if !self.has_lines {
            return None;
        }
        let mut quantities: std::collections::BTreeMap<NameId, i128> = std::collections::BTreeMap::new();
        let mut any = false;
        for entry in self.between(start, Millis::MAX) {
            match entry {
                EntryRef::Order(at) => {
                    let Some((_, order)) = self.orders.get_index(at as usize) else { continue };
                    let (Some(_), Some(version)) = (order.counting(counts_when), order.current()) else { continue };
                    any |= !version.lines.is_empty();
                    add_lines(&mut quantities, &version.lines, 1);
                    add_lines(&mut quantities, &order.refunded_lines, -1);
                }
                EntryRef::LooseRefund(at) => {
                    if let Some(refund) = self.loose_refunds.get(at as usize) {
                        add_lines(&mut quantities, &refund.lines, -1);
                    }
                }
            }
        }
        any.then(|| quantities.values().filter(|quantity| **quantity > 0).count())
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = EntryRef> + '_ {
        self.by_time.iter().map(|(_, entry)| *entry)
    }

    pub(super) fn placed(&mut self, order: &v1::Order, stamp: Stamp, names: &mut Names) {
        let version = self.version(order, stamp, names);
        let (at, known) = self.order(&order.order_id);
        let correction = match known.placing.take() {
            None => {
                known.placing = Some(version);
                None
            }
            Some(placing) if version.stamp.order(&placing.stamp, names) == Ordering::Less => {
                let moved_from = placing.stamp.time;
                known.placing = Some(version);
                self.remove_from_times(moved_from, EntryRef::Order(at));
                Some(placing)
            }
            Some(placing) => {
                known.placing = Some(placing);
                Some(version)
            }
        };
        if let Some(time) = self.orders[at as usize].placing.as_ref().map(|placing| placing.stamp.time) {
            self.add_to_times(time, EntryRef::Order(at));
        }
        if let Some(correction) = correction {
            self.keep_latest(at, correction, names);
        }
    }

    pub(super) fn corrected(&mut self, order: &v1::Order, stamp: Stamp, names: &mut Names) {
        let version = self.version(order, stamp, names);
        let (at, _) = self.order(&order.order_id);
        self.keep_latest(at, version, names);
    }

    pub(super) fn paid(&mut self, order_id: &str) {
        self.order(order_id).1.paid = true;
    }

    pub(super) fn fulfilled(&mut self, order_id: &str) {
        self.order(order_id).1.fulfilled = true;
    }

    pub(super) fn cancelled(&mut self, order_id: &str) {
        self.order(order_id).1.cancelled = true;
    }

    pub(super) fn refunded(&mut self, refund: &v1::Refund, stamp: Stamp, names: &mut Names) {
        let lines = lines_of(&refund.lines, names);
        let currency = names.id(&refund.currency);
        if let Some(order_id) = &refund.order_id {
            let (_, order) = self.order(order_id);
            order.refunded_lines.extend_from_slice(&lines);
            match order.refunds.iter_mut().find(|(known, _)| *known == currency) {
                Some((_, minor)) => *minor = minor.saturating_add(refund.amount_minor),
                None => order.refunds.push((currency, refund.amount_minor)),
            }
        } else {
            let entry = self.next_loose_refund();
            self.add_to_times(stamp.time, entry);
            self.loose_refunds.push(LooseRefund { stamp, minor: refund.amount_minor, currency, lines });
        }
    }

    fn order(&mut self, order_id: &str) -> (u32, &mut Order) {
        let entry = self.orders.entry(identity_of(&[order_id]));
        let at = entry.index() as u32;
        (at, entry.or_default())
    }

    fn version(&mut self, order: &v1::Order, stamp: Stamp, names: &mut Names) -> Version {
        let lines = lines_of(&order.lines, names);
        self.has_lines |= !lines.is_empty();
        Version { stamp, minor: order.amount_minor, currency: names.id(&order.currency), lines }
    }

    fn keep_latest(&mut self, at: u32, version: Version, names: &Names) {
        let correction = &mut self.orders[at as usize].correction;
        let later =
            correction.as_ref().is_none_or(|known| version.stamp.order(&known.stamp, names) == Ordering::Greater);
        if later {
            *correction = Some(version);
        }
    }

    fn add_to_times(&mut self, time: Millis, entry: EntryRef) {
        if let Err(at) = self.by_time.binary_search(&(time, entry)) {
            self.by_time.insert(at, (time, entry));
        }
    }

    fn remove_from_times(&mut self, time: Millis, entry: EntryRef) {
        if let Ok(at) = self.by_time.binary_search(&(time, entry)) {
            self.by_time.remove(at);
        }
    }
}

fn lines_of(lines: &[v1::OrderLine], names: &mut Names) -> Box<[Line]> {
    lines.iter().map(|line| Line { category: names.id(&line.category), quantity: line.quantity_millionths }).collect()
}

fn add_lines(quantities: &mut std::collections::BTreeMap<NameId, i128>, lines: &[Line], sign: i128) {
    for line in lines {
        *quantities.entry(line.category).or_default() += sign * i128::from(line.quantity);
    }
}
