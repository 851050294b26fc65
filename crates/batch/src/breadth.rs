//! Breadth: "counts categories with a positive net quantity"; "missing when no counting order has lines".

use std::collections::BTreeMap;

use tiermesh_domain::{policy::Policy, time::Millis};

use crate::{book::Book, sales::orders_within, window::within};

/// The number of categories; `None`: no counting order in the window has lines.
pub(crate) fn categories(book: &Book<'_>, policy: &Policy, tick: Option<Millis>, days: u32) -> Option<i64> {
    let orders = orders_within(book, policy, tick, days);
    if orders.iter().all(|order| order.lines.is_empty()) {
        return None;
    }
    let loose_refunds = book.loose_refunds.iter().filter(|refund| within(refund.at, tick, days));
    let bought = orders.iter().flat_map(|order| order.lines);
    let given_back = orders
        .iter()
        .flat_map(|order| order.refunded_lines.iter().copied())
        .chain(loose_refunds.flat_map(|refund| refund.lines));

    let mut net: BTreeMap<&str, i128> = BTreeMap::new();
    for line in bought {
        *net.entry(&line.category).or_default() += i128::from(line.quantity_millionths);
    }
    for line in given_back {
        *net.entry(&line.category).or_default() -= i128::from(line.quantity_millionths);
    }
    Some(net.values().filter(|quantity| **quantity > 0).count() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tiermesh_proto::v1::Fact;

    use super::*;
    use crate::testing::{abc, at, book, of_c, order};

    fn lines(lines: &[(&str, &str)]) -> Value {
        let line = |(category, quantity): &(&str, &str)| json!({"sku": "s", "category": category, "quantity": quantity, "amount": "1.00"});
        lines.iter().map(line).collect()
    }

    fn bought(id: &str, time: &str, of: &[(&str, &str)]) -> Fact {
        of_c(id, "order.placed", time, json!({"order_id": id, "amount": "9.00", "currency": "GBP", "lines": lines(of)}))
    }

    fn given_back(id: &str, time: &str, order_id: Option<&str>, of: &[(&str, &str)]) -> Fact {
        let data = json!({
            "order_id": order_id, "refund_id": id, "amount": "1.00", "currency": "GBP", "lines": lines(of),
        });
        of_c(id, "order.refunded", time, data)
    }

    fn year_at(facts: &[Fact], tick: &str) -> Option<i64> {
        categories(&book(facts), &abc(), Some(at(tick)), 365)
    }

    #[test]
    fn categories_need_a_positive_net_quantity() {
        let facts = [
            bought("1", "2010-01-01T00:00:00Z", &[("home", "2"), ("toys", "1")]),
            bought("2", "2010-02-01T00:00:00Z", &[("home", "1"), ("food", "0.5"), ("none", "0")]),
            given_back("3", "2010-03-01T00:00:00Z", Some("1"), &[("toys", "1")]),
            given_back("4", "2010-03-01T00:00:00Z", None, &[("food", "0.4"), ("garden", "1")]),
        ];
        assert_eq!(year_at(&facts, "2010-06-01T00:00:00Z"), Some(2), "home 3, toys 0, food 0.1, garden −1");
        assert_eq!(year_at(&facts, "2011-01-01T00:00:00Z"), Some(2), "without order 1: home 1, food 0.1");
        assert_eq!(year_at(&facts, "2011-02-01T00:00:00Z"), None, "only the loose refund is left");
    }

    #[test]
    fn refunds_of_an_order_in_the_window_count_whenever_they_came() {
        let facts = [
            bought("1", "2010-01-01T00:00:00Z", &[("home", "2")]),
            given_back("2", "2009-12-01T00:00:00Z", Some("1"), &[("home", "2")]),
        ];
        assert_eq!(year_at(&facts, "2010-12-15T00:00:00Z"), Some(0));
    }

    #[test]
    fn missing_without_lines() {
        assert_eq!(year_at(&[order("1", "c", "2010-01-01T00:00:00Z", "o", "1.00")], "2010-02-01T00:00:00Z"), None);
        assert_eq!(year_at(&[], "2010-02-01T00:00:00Z"), None);
    }
}
