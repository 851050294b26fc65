//! Breadth: the quantities by category of a customer's window, kept up to date order by order.

use crate::{
    ledger::{EntryRef, Orders},
    names::NameId,
    policy::CountsWhen,
};

/// What a customer bought in a window, by category.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Breadth {
    /// Counting orders with lines.
    with_lines: u32,
    /// By category; none is 0.
    quantities: Vec<Quantity>,
}

/// A sum of quantities, in millionths: 96 bits, in which a million million of the largest fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quantity {
    category: NameId,
    high: i32,
    low: u64,
}

impl Quantity {
    fn get(self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }

    fn set(&mut self, quantity: i128) {
        (self.high, self.low) = ((quantity >> 64) as i32, quantity as u64);
    }
}

impl Breadth {
    /// Adds an order or refund (`sign` 1), or takes it out (−1).
    pub(super) fn count(&mut self, orders: &Orders, entry: EntryRef, counts_when: CountsWhen, sign: i64) {
        let quantities = &mut self.quantities;
        let add = |line: crate::ledger::Line, times: i64| {
            let change = i128::from(line.quantity) * i128::from(times * sign);
            shift(quantities, line.category, change);
        };
        if orders.breadth(entry, counts_when, add) == Some(true) {
            self.with_lines = self.with_lines.wrapping_add_signed(sign as i32);
        }
    }

    /// Some of what the next order looks at: see `look_ahead`.
    pub(super) fn touched(&self) -> u64 {
        self.quantities.iter().step_by(4).fold(0, |touched, quantity| touched ^ quantity.low)
    }

    /// Number of categories with a positive quantity; `None` if no counting order has lines.
    pub(crate) fn categories(&self) -> Option<usize> {
        let positive = || self.quantities.iter().filter(|quantity| quantity.high >= 0).count();
        (self.with_lines > 0).then(positive)
    }
}

fn shift(quantities: &mut Vec<Quantity>, category: NameId, change: i128) {
    if change == 0 {
        return;
    }
    match quantities.binary_search_by_key(&category, |known| known.category) {
        Ok(at) => {
            let sum = quantities[at].get() + change;
            quantities[at].set(sum);
            if sum == 0 {
                quantities.remove(at);
            }
        }
        Err(at) => {
            let mut new = Quantity { category, high: 0, low: 0 };
            new.set(change);
            if quantities.len() == quantities.capacity() {
                quantities.reserve_exact(quantities.len() / 2 + 2);
            }
            quantities.insert(at, new);
        }
    }
}
