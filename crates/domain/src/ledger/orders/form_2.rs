//! Orders as saves of form 2 hold them.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::Deserialize;
use smallvec::SmallVec;

use super::{
    Line, Orders,
    amendment::{Amendment, Version},
    entry::{AMENDED, Body, CANCELLED, Entry, FULFILLED, PAID, PLACED, REFUND},
};
use crate::{fold::FoldError, ledger::Stamp, names::NameId, time::Millis};

#[derive(Deserialize)]
pub(crate) struct OrdersOfForm2 {
    orders: IndexMap<u128, Order, FxBuildHasher>,
    loose_refunds: Vec<LooseRefund>,
    _by_time: Vec<(Millis, EntryRef)>,
    _has_lines: bool,
}

#[derive(Deserialize)]
enum EntryRef {
    Order(#[allow(dead_code, reason = "read over")] u32),
    LooseRefund(#[allow(dead_code, reason = "read over")] u32),
}

#[derive(Deserialize)]
struct Order {
    placing: Option<Version>,
    correction: Option<Version>,
    paid: bool,
    fulfilled: bool,
    cancelled: bool,
    refunds: Vec<(NameId, i64)>,
    refunded_lines: Vec<Line>,
}

#[derive(Deserialize)]
struct LooseRefund {
    stamp: Stamp,
    minor: i64,
    currency: NameId,
    lines: Box<[Line]>,
}

impl OrdersOfForm2 {
    /// In today's form. Orders stand before refunds there, so equal times keep their order.
    pub(crate) fn migrated(self, sources: Vec<NameId>) -> Result<Orders, FoldError> {
        let mut orders = Orders { sources: SmallVec::from_vec(sources), ..Orders::default() };
        for (key, order) in self.orders {
            // An order's key is the lower half of what it was.
            orders.put_migrated(key as u64, order);
        }
        for refund in self.loose_refunds {
            let place = orders.entries.len() as u64;
            let (minor, currency, lines) = (refund.minor, refund.currency, refund.lines);
            orders.push_migrated(place, REFUND, Some(Version { stamp: refund.stamp, minor, currency, lines }));
        }
        orders.derive()?;
        Ok(orders)
    }
}

impl Orders {
    fn put_migrated(&mut self, key: u64, order: Order) {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        let happened = flag(order.placing.is_some(), PLACED);
        let reached = flag(order.paid, PAID) | flag(order.fulfilled, FULFILLED) | flag(order.cancelled, CANCELLED);
        self.push_migrated(key, happened | reached, order.placing);
        let Order { correction, refunds, refunded_lines, .. } = order;
        if correction.is_some() || !refunds.is_empty() || !refunded_lines.is_empty() {
            let place = self.entries.len().saturating_sub(1);
            *self.amend(place as u32) = Amendment { correction, refunds, refunded_lines };
            debug_assert!(self.entries[place].is(AMENDED));
        }
    }

    fn push_migrated(&mut self, key: u64, flags: u8, placing: Option<Version>) {
        let entry = match placing {
            None => Entry { flags, ..Entry::default() },
            Some(Version { stamp, minor, currency, lines }) => {
                let body = Body::add(&mut self.bodies, &stamp.id, lines.iter().copied());
                Entry { time: stamp.time, minor, currency, source: stamp.source, body, flags }
            }
        };
        self.entries.push(entry);
        self.keys.push(key);
    }
}
