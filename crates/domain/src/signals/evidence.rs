//! What a signal rests on: the ids of the events that were counted.

use super::ChurnWarning;
use crate::{
    policy::{CountsWhen, DetectorSettings},
    scoring::Customer,
    time::{DAY_MS, Millis},
};

/// From this logic on a signal names the events it rests on; before, the customer's last order or refund only.
const NAMES_ITS_EVENTS: u32 = 2;

/// At most so many ids, as in the explanation of a tier change.
const MOST_EVENTS: usize = 20;

/// The events that a signal rests on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// Their ids, the latest first, those of one instant by id; at most [`MOST_EVENTS`].
    pub(super) events: Vec<String>,
    /// How many there are; 0 where the logic doesn't count them.
    pub(super) count: u32,
    /// The logic that counted them; 0 where it doesn't.
    pub(super) logic: u32,
}

impl ChurnWarning {
    /// What a detector's word on a customer rests on: the complaints in its window, the counting orders in its window
    /// and baseline, or, for the pace that a silence is held against, all counting orders.
    pub(super) fn evidence(
        &self,
        settings: &DetectorSettings,
        customer: &Customer,
        detector: &str,
        window_days: Option<u32>,
    ) -> Evidence {
        let logic = self.scoring.logic();
        if logic < NAMES_ITS_EVENTS {
            let last = customer.ledger.orders.last_event_id().map(str::to_owned);
            return Evidence { events: last.into_iter().collect(), ..Evidence::default() };
        }
        let baseline_days = match (detector, &settings.frequency_drop) {
            ("frequency_drop", Some(drop)) => drop.baseline_days,
            _ => 0,
        };
        let start = match (self.scoring.time(), window_days) {
            (Some(now), Some(days)) => now - (i64::from(days) + i64::from(baseline_days)) * DAY_MS,
            _ => Millis::MIN,
        };
        let mut found: Vec<(Millis, &str)> = match detector {
            "complaint_rise" => customer.ledger.complaints().events_after(start).collect(),
            _ => orders_after(customer, start, settings.counts_when).collect(),
        };
        // Not in the order they came in: that says nothing.
        found
            .sort_unstable_by(|(time, id), (other_time, other_id)| other_time.cmp(time).then_with(|| id.cmp(other_id)));
        let events = found.iter().take(MOST_EVENTS).map(|(_, id)| (*id).to_owned()).collect();
        Evidence { events, count: found.len() as u32, logic }
    }
}

/// Time and event of the counting orders after `start`.
fn orders_after(customer: &Customer, start: Millis, counts_when: CountsWhen) -> impl Iterator<Item = (Millis, &str)> {
    let orders = &customer.ledger.orders;
    let counting = orders.between(start, Millis::MAX);
    counting.filter_map(move |entry| Some((orders.counting_time(entry, counts_when)?, orders.event_id(entry)?)))
}

#[cfg(test)]
mod tests;
