//! Views: what policies look at, kept up to date fact by fact instead of being summed anew.

use std::sync::Arc;

use super::breadth::Breadth;
use crate::{
    ledger::{EntryRef, Orders},
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

/// A view of sales: what is summed, and whether breadth is counted too.
#[derive(Debug, Clone)]
pub(crate) struct SalesView {
    pub(crate) spec: SalesSpec,
    pub(crate) with_breadth: bool,
}

/// Sales of one customer over one window, (T − d, ∞) with T the last tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesWindow {
    /// Net sales, in minor units.
    pub value: i128,
    /// Counting orders.
    pub orders: i64,
    /// The time of the first order or refund in it, counting or not; [`Millis::MAX`] without one.
    pub(crate) first: Millis,
    /// What was bought, where somebody asks.
    pub(crate) breadth: Option<Box<Breadth>>,
}

impl Default for SalesWindow {
    fn default() -> Self {
        Self { value: 0, orders: 0, first: Millis::MAX, breadth: None }
    }
}

/// The instant after which facts are inside a window of so many days; before any tick all are.
pub(crate) fn window_start(now: Option<Millis>, days: u32) -> Millis {
    now.map_or(Millis::MIN, |now| now.saturating_sub(i64::from(days) * DAY_MS))
}

impl SalesView {
    /// Sums the window anew.
    pub(crate) fn sum(&self, orders: &Orders, names: &Names, now: Option<Millis>) -> SalesWindow {
        let mut window = SalesWindow::default();
        let start = window_start(now, self.spec.days);
        for entry in orders.between(start, Millis::MAX) {
            self.count(&mut window, orders, entry, names, 1);
        }
        window.first = orders.first_after(start).unwrap_or(Millis::MAX);
        window
    }

    /// Adds (1) or takes out (−1) what an entry contributes, if its time is in the window.
    pub(crate) fn shift(
        &self,
        window: &mut SalesWindow,
        orders: &Orders,
        entry: EntryRef,
        names: &Names,
        now: Option<Millis>,
        sign: i64,
    ) {
        if orders.time(entry).is_some_and(|time| time > window_start(now, self.spec.days)) {
            self.count(window, orders, entry, names, sign);
        }
    }

    fn count(&self, window: &mut SalesWindow, orders: &Orders, entry: EntryRef, names: &Names, sign: i64) {
        let spec = &self.spec;
        if let Some(contribution) = orders.contribution(entry, spec.counts_when, &spec.valuation, names) {
            window.value += i128::from(sign) * i128::from(contribution.value);
            window.orders += sign * contribution.orders;
        }
        if self.with_breadth && orders.has_lines(entry) {
            window.breadth.get_or_insert_default().count(orders, entry, spec.counts_when, sign);
        }
    }

    /// Takes out what left when the last tick became another. Customers for whom nothing left need no call.
    pub(crate) fn advance(
        &self,
        window: &mut SalesWindow,
        orders: &Orders,
        names: &Names,
        before: Option<Millis>,
        now: Millis,
    ) {
        let start = window_start(Some(now), self.spec.days);
        if window.first > start {
            return;
        }
        for entry in orders.between(window_start(before, self.spec.days), start) {
            self.count(window, orders, entry, names, -1);
        }
        window.first = orders.first_after(start).unwrap_or(Millis::MAX);
    }
}
