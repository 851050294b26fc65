//! Net sales and number of orders in a window.

use tiermesh_domain::{policy::Policy, time::Millis};

use crate::{book::Book, orders::Order, window::within};

/// The counting orders whose time of placing is in the window.
pub(crate) fn orders_within<'b, 'a>(
    book: &'b Book<'a>,
    policy: &Policy,
    tick: Option<Millis>,
    days: u32,
) -> Vec<&'b Order<'a>> {
    let counting = book.orders.iter().filter(|order| order.is_counting(policy.counts_when));
    counting.filter(|order| within(order.placed_at, tick, days)).collect()
}

/// What is left of the counting orders in the window, less the refunds in the window that name no order; in minor
/// units of the policy's currency. Amounts without a rate are held out.
pub(crate) fn net_sales(book: &Book<'_>, policy: &Policy, tick: Option<Millis>, days: u32) -> i128 {
    let value = |minor, currency: &str| i128::from(policy.valuation.value(minor, currency).unwrap_or(0));
    let orders = orders_within(book, policy, tick, days);
    let sold: i128 = orders.iter().map(|order| value(order.net, order.currency)).sum();
    let refunds = book.loose_refunds.iter().filter(|refund| within(refund.at, tick, days));
    let refunded: i128 = refunds.map(|refund| value(refund.amount, refund.currency)).sum();
    sold - refunded
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tiermesh_proto::v1::Fact;

    use super::*;
    use crate::testing::{abc, at, book, of_c, order};

    fn refund(id: &str, time: &str, order_id: Option<&str>, amount: &str) -> Fact {
        let mut data = json!({"refund_id": id, "amount": amount, "currency": "GBP"});
        if let Some(order_id) = order_id {
            data["order_id"] = order_id.into();
        }
        of_c(id, "order.refunded", time, data)
    }

    fn year_at(facts: &[Fact], tick: Option<Millis>) -> (i128, usize) {
        let (book, policy) = (book(facts), abc());
        (net_sales(&book, &policy, tick, 365), orders_within(&book, &policy, tick, 365).len())
    }

    #[test]
    fn an_order_leaves_at_the_exact_millisecond() {
        let facts = [order("1", "c", "2010-01-01T08:00:00.001Z", "o", "10.00")];
        let leaves = at("2011-01-01T08:00:00.001Z");
        assert_eq!(year_at(&facts, Some(leaves - 1)), (1_000, 1));
        assert_eq!(year_at(&facts, Some(leaves)), (0, 0));
        assert_eq!(year_at(&facts, Some(at("2009-01-01T00:00:00Z"))), (1_000, 1), "later than T and known: it counts");
        assert_eq!(year_at(&facts, None), (1_000, 1), "no tick yet: all facts");
    }

    #[test]
    fn a_linked_refund_leaves_with_its_order() {
        let facts = [
            order("1", "c", "2010-01-01T08:00:00Z", "o", "10.00"),
            refund("2", "2010-06-01T00:00:00Z", Some("o"), "4.00"),
        ];
        assert_eq!(year_at(&facts, Some(at("2010-12-31T00:00:00Z"))), (600, 1));
        assert_eq!(year_at(&facts, Some(at("2011-01-02T00:00:00Z"))), (0, 0), "though the refund is in the window");
    }

    #[test]
    fn a_refund_that_names_none_counts_at_its_own_time() {
        let facts =
            [order("1", "c", "2010-01-01T08:00:00Z", "o", "10.00"), refund("2", "2010-06-01T00:00:00Z", None, "14.00")];
        assert_eq!(year_at(&facts, Some(at("2010-12-31T00:00:00Z"))), (-400, 1));
        assert_eq!(year_at(&facts, Some(at("2011-01-02T00:00:00Z"))), (-1_400, 0));
        assert_eq!(year_at(&facts, Some(at("2011-06-01T00:00:00Z"))), (0, 0));
    }

    #[test]
    fn money_is_converted_amount_by_amount() {
        let mut policy = abc();
        policy.valuation.rates_millionths.insert("EUR".to_owned(), 500_000);
        let euros = |id: &str, amount: &str, currency: &str| {
            of_c(
                id,
                "order.placed",
                "2010-01-01T00:00:00Z",
                json!({"order_id": id, "amount": amount, "currency": currency}),
            )
        };
        // 0.03 and 0.03 EUR at 0.5: 1.5 pence each, halves to the even 2; together they would be 3.
        let facts = [euros("1", "0.03", "EUR"), euros("2", "0.03", "EUR"), euros("3", "7.00", "USD")];
        let book = book(&facts);
        assert_eq!(net_sales(&book, &policy, None, 365), 4);
        assert_eq!(orders_within(&book, &policy, None, 365).len(), 3, "no rate: counts as an order, amount held out");
    }
}
