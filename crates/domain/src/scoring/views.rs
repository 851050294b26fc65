//! Views: what policies look at, kept up to date fact by fact instead of being summed anew.

use std::sync::Arc;

use crate::{
    ledger::{Contribution, Orders},
    names::Names,
    policy::{CountsWhen, Valuation},
    time::{DAY_MS, Millis, Zone},
};

/// Which sales are summed: over what window, counted when, valued how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesSpec {
    /// Days of 86,400 s.
    pub days: u32,
    /// When an order counts.
    pub counts_when: CountsWhen,
    /// What money is worth.
    pub valuation: Arc<Valuation>,
}

/// Which orders make a pace.
#[derive(Debug, Clone)]
pub struct PaceSpec {
    /// When an order counts.
    pub counts_when: CountsWhen,
    /// In which days are counted.
    pub zone: Zone,
}

/// Sales of one customer over one window, (T − d, ∞) with T the last tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalesWindow {
    /// What isn't after this has left.
    pub start: Millis,
    /// Net sales, in minor units.
    pub value: i128,
    /// Counting orders.
    pub orders: i64,
}

/// The instant after which facts are inside a window of so many days; before any tick all are.
pub(crate) fn window_start(now: Option<Millis>, days: u32) -> Millis {
    now.map_or(Millis::MIN, |now| now.saturating_sub(i64::from(days) * DAY_MS))
}

impl SalesWindow {
    /// Sums the window anew.
    pub fn of(orders: &Orders, spec: &SalesSpec, names: &Names, now: Option<Millis>) -> Self {
        let mut window = Self { start: window_start(now, spec.days), value: 0, orders: 0 };
        for entry in orders.between(window.start, Millis::MAX) {
            window.add(orders.contribution(entry, spec.counts_when, &spec.valuation, names));
        }
        window
    }

    /// A contribution appeared.
    pub fn add(&mut self, contribution: Option<Contribution>) {
        self.count(contribution, 1);
    }

    /// A contribution is none any more.
    pub fn remove(&mut self, contribution: Option<Contribution>) {
        self.count(contribution, -1);
    }

    fn count(&mut self, contribution: Option<Contribution>, sign: i64) {
        if let Some(contribution) = contribution.filter(|contribution| contribution.time > self.start) {
            self.value += i128::from(sign) * i128::from(contribution.value);
            self.orders += sign * contribution.orders;
        }
    }

    /// The window's end moved to `now`: takes out what left.
    pub fn advance(&mut self, orders: &Orders, spec: &SalesSpec, names: &Names, now: Millis) {
        let start = window_start(Some(now), spec.days);
        if start <= self.start {
            return;
        }
        if self.start == Millis::MIN {
            *self = Self::of(orders, spec, names, Some(now));
            return;
        }
        for entry in orders.between(self.start, start) {
            self.remove(orders.contribution(entry, spec.counts_when, &spec.valuation, names));
        }
        self.start = start;
    }
}
