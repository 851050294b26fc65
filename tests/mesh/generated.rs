//! Generated histories: few customers, much that happens to them, at instants that like to coincide.

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use tiermesh_domain::{
    fact::parse_cloud_event,
    time::{DAY_MS, Millis, format_instant, parse_instant},
};
use tiermesh_proto::v1::Fact;

use crate::data::policy_text;

/// Facts, and how long to look at them.
#[derive(Debug, Clone)]
pub struct History {
    pub facts: Vec<Fact>,
    pub until: Millis,
}

/// What happens, to whom, when, and with which small numbers.
type Happening = (u8, u8, i64, u16, u8, u8);

/// A history of 6 customers over two years: up to 80 facts of any kind, and some who order at a pace or complain in
/// clusters, without which signals would be rare.
pub fn history() -> impl Strategy<Value = History> {
    let happening = (0_u8..22, 0_u8..6, instants(), 0_u16..4_000, 0_u8..12, 0_u8..5);
    let pace = (0_u8..6, 0_i64..400, 1_i64..40, 4_i64..30, 0_i64..DAY_MS);
    let cluster = (0_u8..6, instants(), 1_i64..25, 1_u8..4, 0_u8..5);
    let happenings = proptest::collection::vec(happening, 1..80);
    let paces = proptest::collection::vec(pace, 0..4);
    let clusters = proptest::collection::vec(cluster, 0..4);
    (happenings, paces, clusters, 0_i64..1_000).prop_map(|(mut happenings, paces, clusters, days)| {
        for (customer, begin, gap, orders, within) in paces {
            for order in 0..orders {
                happenings.push((0, customer, (begin + order * gap) * DAY_MS + within, 100, 0, 0));
            }
        }
        for (customer, begin, gap, complaints, small) in clusters {
            for complaint in 0..complaints {
                let offset = begin + i64::from(complaint) * gap * DAY_MS;
                happenings.push((18, customer, offset, 0, 0, small));
                // Number of the complaint just pushed: see `fact`.
                happenings.push((20, customer, offset + 5 * DAY_MS, 0, 0, 1));
            }
        }
        let until = start() + days * DAY_MS + if days % 3 == 0 { 12_345 } else { 0 };
        let facts: Vec<Fact> =
            happenings.into_iter().enumerate().map(|(number, happening)| fact(number, happening)).collect();
        History { facts, until }
    })
}

/// The ready policies that rank their tiers, each with a review of some kind, in some time zone, and with bounds that
/// generated customers pass in both directions.
pub fn reviewed() -> impl Strategy<Value = Vec<String>> {
    let review = prop_oneof![Just("day"), Just("month"), Just("quarter"), Just("half-year"), Just("year")];
    let moment = || prop_oneof![Just("immediately"), Just("at-review")];
    let zone = prop_oneof![3 => Just("UTC"), 1 => Just("Europe/London"), 1 => Just("Asia/Shanghai")];
    let one = (review, moment(), moment(), zone);
    proptest::collection::vec(one, 3).prop_map(|chosen| {
        let named = ["abc", "pyramid", "scorecard"].into_iter().zip(chosen);
        named.map(|(name, (review, up, down, zone))| reviewed_as(name, review, up, down, zone)).collect()
    })
}

/// A ready policy with that review.
pub fn reviewed_as(name: &str, review: &str, upgrade: &str, downgrade: &str, zone: &str) -> String {
    let qualification = format!("review = \"{review}\"\nupgrade = \"{upgrade}\"\ndowngrade = \"{downgrade}\"");
    policy_text(name)
        .replace("review = \"continuous\"", &qualification)
        .replace("time_zone = \"UTC\"", &format!("time_zone = \"{zone}\""))
        .replace("full_at = 500000", "full_at = 4000")
        .replace("full_at = 12\n", "full_at = 4\n")
}

/// The same facts in another order, a tenth of them twice.
pub fn shuffled(facts: &[Fact], seed: u64) -> Vec<Fact> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut shuffled = facts.to_vec();
    shuffled.extend(facts.iter().step_by(10).cloned());
    shuffled.shuffle(&mut random);
    shuffled
}

fn start() -> Millis {
    parse_instant("2020-01-01T00:00:00Z").unwrap()
}

/// Midnights, their neighbours, and anything between.
fn instants() -> impl Strategy<Value = i64> {
    let day = 0_i64..730;
    prop_oneof![
        day.clone().prop_map(|day| day * DAY_MS),
        day.clone().prop_map(|day| day * DAY_MS - 1),
        day.clone().prop_map(|day| day * DAY_MS + 1),
        (day, 0..DAY_MS).prop_map(|(day, ms)| day * DAY_MS + ms),
        // A customer with a pace: every third week.
        (0_i64..35).prop_map(|week| week * 21 * DAY_MS + 36_000_000),
    ]
}

fn fact(number: usize, (kind, customer, offset, amount, key, small): Happening) -> Fact {
    let time = start() + offset;
    let order_id = format!("order-{key}");
    let invoice_id = format!("invoice-{}", key % 6);
    let currency = if amount % 5 == 0 { "JPY" } else { "GBP" };
    let money = |pence: u32| match currency {
        "JPY" => format!("{pence}"),
        _ => format!("{}.{:02}", pence / 100, pence % 100),
    };
    let value = u32::from(amount) * 97;
    let category = ["tea", "cups", "cake", "books", "maps"][usize::from(small)];
    let line = json!([{"sku": "s", "category": category, "quantity": i64::from(amount % 5) - 1, "amount": "1"}]);
    let due = format_instant(time + i64::from(small) * 20 * DAY_MS)[..10].to_owned();
    let fresh = format!("own-{number}");
    let (name, data): (&str, Value) = match kind {
        // Orders of their own are the most frequent: without them nothing else means much.
        0..=4 => ("order.placed", json!({"order_id": fresh, "amount": money(value), "currency": currency})),
        5 => ("order.placed", json!({"order_id": fresh, "amount": money(value), "currency": currency, "lines": line})),
        6 => {
            ("order.placed", json!({"order_id": order_id, "amount": money(value), "currency": currency, "lines": line}))
        }
        7 => ("order.corrected", json!({"order_id": order_id, "amount": money(value / 2), "currency": currency})),
        8 => ("order.cancelled", json!({"order_id": order_id})),
        9 => (
            "order.refunded",
            json!({"refund_id": fresh, "order_id": order_id, "amount": money(value + 1), "currency": currency, "lines": line}),
        ),
        10 => ("order.refunded", json!({"refund_id": fresh, "amount": money(value + 1), "currency": currency})),
        11 => (
            "invoice.issued",
            json!({"invoice_id": invoice_id, "amount": money(value), "currency": currency, "due": due}),
        ),
        12 => ("invoice.credited", json!({"invoice_id": invoice_id, "amount": money(value / 9), "currency": currency})),
        13 if small == 0 => ("invoice.cancelled", json!({"invoice_id": invoice_id})),
        13 => (
            "payment.received",
            json!({"payment_id": fresh, "invoice_id": invoice_id, "amount": money(value), "currency": currency}),
        ),
        14 => ("payment.received", json!({"payment_id": order_id, "amount": money(value * 2), "currency": currency})),
        15 => ("payment.reversed", json!({"payment_id": order_id, "amount": money(value / 3), "currency": currency})),
        16 | 17 => (
            "interaction.recorded",
            json!({"channel": "mail", "direction": if small > 2 { "outbound" } else { "inbound" }, "bulk": small > 1}),
        ),
        18 | 19 => (
            "complaint.opened",
            json!({"complaint_id": format!("complaint-{number}"), "category": if small > 2 { "price" } else { "quality" }}),
        ),
        20 => (
            "complaint.closed",
            json!({"complaint_id": format!("complaint-{}", number.saturating_sub(usize::from(small)))}),
        ),
        _ => ("profile.updated", json!({"region": category})),
    };
    let event = json!({
        "specversion": "1.0", "type": format!("tiermesh.{name}"), "id": format!("e-{number}"),
        "source": if small % 2 == 0 { "erp" } else { "shop" },
        "subject": format!("customer-{customer}"), "time": format_instant(time), "data": data,
    });
    parse_cloud_event(event.to_string().as_bytes()).unwrap().fact
}
