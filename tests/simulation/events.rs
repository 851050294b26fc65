//! What is sent to the mesh: events, and the documents that decide what they lead to.

use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use tiermesh_domain::time::{Millis, format_instant};

/// How many documents there are to put in force.
pub(crate) const DOCUMENTS: usize = 4;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An order of so many pounds.
    Order(u16),
    /// The customer's order of so many orders before is cancelled.
    Cancelled(u8),
    /// Ten pounds of an order are given back.
    Refunded(u8),
    /// A complaint.
    Complaint,
    /// The customer was called.
    Call,
}

impl Kind {
    pub(crate) fn draw(dice: &mut StdRng) -> Self {
        match dice.random_range(0..16) {
            0 => Self::Cancelled(dice.random_range(0..3)),
            1 => Self::Refunded(dice.random_range(0..3)),
            2..=5 => Self::Complaint,
            6 => Self::Call,
            _ => Self::Order(*[1, 10, 90, 200, 700, 2_000].get(dice.random_range(0..6_usize)).unwrap_or(&1)),
        }
    }
}

/// An event as its sender has it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) body: String,
}

/// What an event is made of.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Its own number.
    pub(crate) number: usize,
    pub(crate) customer: u8,
    pub(crate) kind: Kind,
    pub(crate) time: Millis,
    /// The numbers of the customer's orders before.
    pub(crate) orders: Vec<usize>,
    /// Above 0: other content under the same name.
    pub(crate) variant: u8,
}

/// The event of a draft.
pub(crate) fn event(draft: &Draft) -> Event {
    let Draft { number, variant, .. } = *draft;
    let (id, customer) = (format!("e{number}"), format!("c{}", draft.customer));
    let order = |back: u8| {
        let of = draft.orders.iter().rev().nth(usize::from(back)).copied().unwrap_or(number);
        format!("{customer}-{of}")
    };
    let (of, data): (&str, Value) = match draft.kind {
        Kind::Order(pounds) => {
            let amount = format!("{}.00", u32::from(pounds) + u32::from(variant));
            ("order.placed", json!({"order_id": format!("{customer}-{number}"), "currency": "GBP", "amount": amount}))
        }
        Kind::Cancelled(back) => ("order.cancelled", json!({"order_id": order(back + variant)})),
        Kind::Refunded(back) => {
            let refund = format!("r{number}-{variant}");
            let data = json!({"order_id": order(back), "refund_id": refund, "currency": "GBP", "amount": "10.00"});
            ("order.refunded", data)
        }
        Kind::Complaint => {
            ("complaint.opened", json!({"complaint_id": format!("k{number}-{variant}"), "category": "quality"}))
        }
        Kind::Call => ("interaction.recorded", json!({"channel": "call", "minutes": u32::from(variant) + 1})),
    };
    let body = json!({
        "specversion": "1.0", "id": id, "source": "erp", "type": format!("tiermesh.{of}"), "subject": customer,
        "time": format_instant(draft.time), "data": data,
    });
    Event { id, customer, body: body.to_string() }
}

/// A document in that version.
pub(crate) fn document(which: usize, version: u32) -> String {
    let head = |name: &str| {
        format!(
            "name = \"{name}\"\nversion = {version}\ntime_zone = \"UTC\"\ncurrency = \"GBP\"\ncounts_when = \"placed\"\n"
        )
    };
    let tiers =
        |name: &str| format!("{}programme = \"value\"\nreview = \"continuous\"\ninputs = [\"orders\"]\n", head(name));
    match which {
        // Relative to all sales: needs cut-points.
        0 => tiers("share") + SHARE,
        1 => tiers("best") + BEST,
        // By the customer's own facts alone.
        2 => tiers("card") + CARD,
        _ => format!("kind = \"loss-signals\"\nat_stake_days = 365\n{}{SIGNALS}", head("signals")),
    }
}

const SHARE: &str = r#"
[relative]
metric = "net_sales"
window_days = 365
by = "share-above"
positive_only = true
[[tiers]]
name = "A"
below = "0.70"
[[tiers]]
name = "B"
below = "0.95"
[[tiers]]
name = "C"
"#;

const BEST: &str = r#"
[relative]
metric = "net_sales"
window_days = 30
by = "rank"
[[tiers]]
name = "best"
below = "0.30"
[[tiers]]
name = "rest"
"#;

const CARD: &str = r#"missing = "zero"
[[score.parts]]
name = "sales"
metric = "net_sales"
window_days = 90
weight = 60
full_at = 1000
[[score.parts]]
name = "orders"
metric = "orders"
window_days = 90
weight = 40
full_at = 4
[[tiers]]
name = "gold"
at_least = 60
[[tiers]]
name = "silver"
at_least = 20
[[tiers]]
name = "bronze"
"#;

const SIGNALS: &str = r#"
[silence]
least_order_days = 2
[complaint_rise]
window_days = 30
history_days = 365
daily_rate = 0.001
prior_days = 180.0
least = 2
p = 0.05
reopened_days = 14
"#;
