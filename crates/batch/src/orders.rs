//! Orders: what was placed, what corrections and refunds left of it, and whether it counts.

use std::collections::BTreeMap;

use tiermesh_domain::{policy::CountsWhen, time::Millis};
use tiermesh_proto::v1::{Fact, Order as Values, OrderLine, Refund, fact::Data};

/// An order that was placed.
pub(crate) struct Order<'a> {
    /// Its time of placing.
    pub(crate) placed_at: Millis,
    /// Its amount less its refunds, in minor units of its currency.
    pub(crate) net: i64,
    /// Its currency.
    pub(crate) currency: &'a str,
    /// Its lines.
    pub(crate) lines: &'a [OrderLine],
    /// The lines of its refunds.
    pub(crate) refunded_lines: Vec<&'a OrderLine>,
    amount: i64,
    paid: bool,
    fulfilled: bool,
    cancelled: bool,
}

/// A refund that names no order.
pub(crate) struct LooseRefund<'a> {
    /// Its own time.
    pub(crate) at: Millis,
    /// In minor units of its currency, above 0.
    pub(crate) amount: i64,
    /// Its currency.
    pub(crate) currency: &'a str,
    /// Its lines.
    pub(crate) lines: &'a [OrderLine],
}

impl Order<'_> {
    /// "A counting order is one that counts, isn't cancelled, and isn't refunded to 0 from an amount above 0."
    pub(crate) fn is_counting(&self, counts_when: CountsWhen) -> bool {
        let counts = match counts_when {
            CountsWhen::Placed => true,
            CountsWhen::Paid => self.paid,
            CountsWhen::Fulfilled => self.fulfilled,
        };
        let refunded_to_nothing = self.amount > 0 && self.net == 0;
        counts && !self.cancelled && !refunded_to_nothing
    }
}

/// All that was said of one order.
#[derive(Default)]
struct Said<'a> {
    placed: Option<(Millis, &'a Values)>,
    corrected: Option<&'a Values>,
    refunds: Vec<&'a Refund>,
    paid: bool,
    fulfilled: bool,
    cancelled: bool,
}

/// The orders that were placed. `facts`: one customer's, sorted by (time, source, id).
pub(crate) fn orders<'a>(facts: &[&'a Fact]) -> Vec<Order<'a>> {
    let mut said: BTreeMap<&str, Said<'_>> = BTreeMap::new();
    for fact in facts {
        match &fact.data {
            Some(Data::OrderPlaced(values)) => {
                let said = said.entry(&values.order_id).or_default();
                if said.placed.is_none() {
                    said.placed = Some((fact.time_ms, values));
                } else {
                    said.corrected = Some(values);
                }
            }
            Some(Data::OrderCorrected(values)) => said.entry(&values.order_id).or_default().corrected = Some(values),
            Some(Data::OrderPaid(order)) => said.entry(&order.order_id).or_default().paid = true,
            Some(Data::OrderFulfilled(order)) => said.entry(&order.order_id).or_default().fulfilled = true,
            Some(Data::OrderCancelled(order)) => said.entry(&order.order_id).or_default().cancelled = true,
            Some(Data::OrderRefunded(refund)) => {
                if let Some(order_id) = &refund.order_id {
                    said.entry(order_id).or_default().refunds.push(refund);
                }
            }
            _ => {}
        }
    }
    said.into_values().filter_map(order).collect()
}

fn order(said: Said<'_>) -> Option<Order<'_>> {
    let (placed_at, placed) = said.placed?;
    let values = said.corrected.unwrap_or(placed);
    let in_its_currency = said.refunds.iter().filter(|refund| refund.currency == values.currency);
    let refunded: i128 = in_its_currency.map(|refund| i128::from(refund.amount_minor)).sum();
    let net = (i128::from(values.amount_minor) - refunded).max(0) as i64;
    Some(Order {
        placed_at,
        net,
        currency: &values.currency,
        lines: &values.lines,
        refunded_lines: said.refunds.iter().flat_map(|refund| &refund.lines).collect(),
        amount: values.amount_minor,
        paid: said.paid,
        fulfilled: said.fulfilled,
        cancelled: said.cancelled,
    })
}

/// The refunds that name no order.
pub(crate) fn loose_refunds<'a>(facts: &[&'a Fact]) -> Vec<LooseRefund<'a>> {
    let refund = |fact: &&'a Fact| match &fact.data {
        Some(Data::OrderRefunded(refund)) if refund.order_id.is_none() => Some(LooseRefund {
            at: fact.time_ms,
            amount: refund.amount_minor,
            currency: &refund.currency,
            lines: &refund.lines,
        }),
        _ => None,
    };
    facts.iter().filter_map(refund).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{at, book, event, of_c, order};

    const NOON: &str = "2010-01-01T12:00:00Z";

    fn correction(id: &str, time: &str, amount: &str) -> Fact {
        of_c(id, "order.corrected", time, json!({"order_id": "o", "amount": amount, "currency": "GBP"}))
    }

    fn refund(id: &str, amount: &str, currency: &str) -> Fact {
        let data = json!({"order_id": "o", "refund_id": "r", "amount": amount, "currency": currency});
        of_c(id, "order.refunded", "2010-01-05T00:00:00Z", data)
    }

    fn about(id: &str, kind: &str) -> Fact {
        of_c(id, kind, "2010-01-03T00:00:00Z", json!({"order_id": "o"}))
    }

    /// Of the only order: when it was placed, its net, and whether it counts when placed.
    fn seen(facts: &[Fact]) -> Vec<(Millis, i64, bool)> {
        let orders = book(facts).orders;
        orders.iter().map(|order| (order.placed_at, order.net, order.is_counting(CountsWhen::Placed))).collect()
    }

    #[test]
    fn the_latest_correction_stands_at_the_time_of_placing() {
        let placed = order("1", "c", NOON, "o", "10.00");
        let late = correction("2", "2010-01-03T00:00:00Z", "30.00");
        let early = correction("3", "2010-01-02T00:00:00Z", "20.00");
        assert_eq!(seen(&[placed.clone(), late.clone(), early]), [(at(NOON), 3_000, true)]);
        // At one time and source the greater id is the later.
        let tie = correction("4", "2010-01-03T00:00:00Z", "40.00");
        assert_eq!(seen(&[tie, late, placed]), [(at(NOON), 4_000, true)]);
    }

    #[test]
    fn a_second_placed_is_a_correction() {
        let first = order("1", "c", NOON, "o", "10.00");
        let second = order("2", "c", "2010-01-02T00:00:00Z", "o", "20.00");
        assert_eq!(seen(&[second, first.clone()]), [(at(NOON), 2_000, true)]);
        // A correction with a time before the placing is still the only correction.
        let before = correction("0", "2009-12-31T00:00:00Z", "5.00");
        assert_eq!(seen(&[first, before]), [(at(NOON), 500, true)]);
    }

    #[test]
    fn what_is_said_of_an_unknown_order_waits() {
        let waiting = [correction("1", NOON, "5.00"), about("2", "order.cancelled"), refund("3", "1.00", "GBP")];
        assert_eq!(seen(&waiting), []);
        let placed = order("4", "c", "2010-01-07T00:00:00Z", "o", "10.00");
        let mut all = waiting.to_vec();
        all.push(placed);
        assert_eq!(seen(&all), [(at("2010-01-07T00:00:00Z"), 400, false)], "cancellation is final");
    }

    #[test]
    fn refunds_lower_their_order_not_below_0() {
        let placed = order("1", "c", NOON, "o", "10.00");
        let two = [placed.clone(), refund("2", "3.00", "GBP"), refund("3", "3.00", "GBP")];
        assert_eq!(seen(&two), [(at(NOON), 400, true)], "each event counts, though refund_id repeats");
        let excess = [placed.clone(), refund("2", "11.00", "GBP")];
        assert_eq!(seen(&excess), [(at(NOON), 0, false)], "refunded to 0 from an amount above 0");
        let foreign = [placed, refund("2", "3.00", "EUR")];
        assert_eq!(seen(&foreign), [(at(NOON), 1_000, true)], "another currency is held out");
        let free = [order("1", "c", NOON, "o", "0.00"), refund("2", "3.00", "GBP")];
        assert_eq!(seen(&free), [(at(NOON), 0, true)], "an order of 0.00 counts");
    }

    #[test]
    fn a_correction_after_a_refund_keeps_the_refund() {
        let all = [order("1", "c", NOON, "o", "10.00"), refund("2", "10.00", "GBP"), correction("3", NOON, "12.00")];
        assert_eq!(seen(&all), [(at(NOON), 200, true)]);
    }

    #[test]
    fn counts_when_it_is_paid_or_fulfilled() {
        let placed = order("1", "c", NOON, "o", "10.00");
        let counting = |facts: &[Fact], when| book(facts).orders[0].is_counting(when);
        let paid = [placed.clone(), about("2", "order.paid")];
        assert!(!counting(std::slice::from_ref(&placed), CountsWhen::Paid));
        assert!(counting(&paid, CountsWhen::Paid) && !counting(&paid, CountsWhen::Fulfilled));
        let cancelled = [placed.clone(), about("2", "order.fulfilled"), about("3", "order.cancelled")];
        assert!(!counting(&cancelled, CountsWhen::Fulfilled));
        let mut elsewhere = about("2", "order.fulfilled");
        elsewhere.source = "warehouse".to_owned();
        assert!(counting(&[placed, elsewhere], CountsWhen::Fulfilled), "whatever its source");
    }

    #[test]
    fn a_refund_that_names_none_stands_by_itself() {
        let data = json!({"refund_id": "r", "amount": "3.00", "currency": "EUR"});
        let facts = [event("1", "order.refunded", "c", NOON, data)];
        let book = book(&facts);
        let loose = &book.loose_refunds[0];
        assert_eq!((loose.at, loose.amount, loose.currency), (at(NOON), 300, "EUR"));
        assert!(book.orders.is_empty());
    }
}
