//! Facts and policies for tests, written as they come in: JSON and TOML.

use serde_json::{Value, json};
use tiermesh_domain::{
    fact::parse_cloud_event,
    policy::{DetectorSettings, Document, Policy, parse},
    time::{Millis, parse_instant},
};
use tiermesh_proto::v1::Fact;

use crate::book::Book;

/// An instant.
pub(crate) fn at(text: &str) -> Millis {
    parse_instant(text).unwrap_or_else(|| unreachable!("{text} is no instant"))
}

/// A fact of any type.
pub(crate) fn event(id: &str, kind: &str, customer: &str, time: &str, data: Value) -> Fact {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "test", "type": format!("tiermesh.{kind}"),
        "subject": customer, "time": time, "data": data,
    });
    parse_cloud_event(event.to_string().as_bytes()).unwrap_or_else(|refusal| unreachable!("{refusal}")).fact
}

/// A fact of customer `c`.
pub(crate) fn of_c(id: &str, kind: &str, time: &str, data: Value) -> Fact {
    event(id, kind, "c", time, data)
}

/// An order in GBP without lines.
pub(crate) fn order(id: &str, customer: &str, time: &str, order_id: &str, amount: &str) -> Fact {
    event(id, "order.placed", customer, time, json!({"order_id": order_id, "amount": amount, "currency": "GBP"}))
}

/// Orders of customer `c` over 1.00 GBP at these times, each its own order.
pub(crate) fn orders_at(times: &[&str]) -> Vec<Fact> {
    let place = |(number, time): (usize, &&str)| {
        let id = format!("o{number:03}");
        order(&id, "c", time, &id, "1.00")
    };
    times.iter().enumerate().map(place).collect()
}

/// What one customer's facts say.
pub(crate) fn book(facts: &[Fact]) -> Book<'_> {
    let mut facts: Vec<&Fact> = facts.iter().collect();
    facts.sort_by_key(|fact| tiermesh_domain::fact::order_key(fact));
    Book::of(&facts)
}

/// A tier policy with these lines instead of, or beside, the usual ones.
pub(crate) fn policy(rest: &str) -> Policy {
    let text = format!("name = \"p\"\nprogramme = \"value\"\nversion = 1\ncurrency = \"GBP\"\n{rest}");
    match parse(&text) {
        Ok(Document::Tiers(policy)) => *policy,
        other => unreachable!("{other:?}"),
    }
}

/// The share of sales: A below 0.70, B below 0.95, else C.
pub(crate) fn abc() -> Policy {
    policy(
        "[relative]\nmetric = \"net_sales\"\nwindow_days = 365\nby = \"share-above\"\npositive_only = true\n\
         [[tiers]]\nname = \"A\"\nbelow = \"0.70\"\n[[tiers]]\nname = \"B\"\nbelow = \"0.95\"\n[[tiers]]\nname = \"C\"\n",
    )
}

/// The pyramid with bounds that few customers can show: rank < 0.25 top, < 0.50 middle, else base.
pub(crate) fn pyramid() -> Policy {
    policy(
        "[relative]\nmetric = \"net_sales\"\nwindow_days = 365\nby = \"rank\"\n\
         [[tiers]]\nname = \"top\"\nbelow = \"0.25\"\n[[tiers]]\nname = \"middle\"\nbelow = \"0.50\"\n\
         [[tiers]]\nname = \"base\"\n",
    )
}

/// The score card of the specification, with what a part without data does.
pub(crate) fn scorecard(missing: &str) -> Policy {
    let part = |name: &str, metric: &str, rest: &str| {
        format!("[[score.parts]]\nname = \"{name}\"\nmetric = \"{metric}\"\nwindow_days = 365\n{rest}\n")
    };
    let mut text =
        format!("missing = \"{missing}\"\ninputs = [\"orders\", \"invoices\", \"payments\", \"interactions\"]\n");
    text += &part("sales", "net_sales", "weight = 50\nfull_at = 500000");
    text += &part("collection", "collection_rate", "weight = 20\nzero_at = \"0.70\"\nfull_at = \"0.95\"");
    text += &part("repurchase", "orders", "weight = 15\nfull_at = 12");
    text += &part("breadth", "categories", "weight = 10\nfull_at = 5");
    text += &part("interactions", "interactions", "weight = 5\nfull_at = 24");
    for (name, bound) in [("A", 90), ("B", 80), ("C", 70), ("D", 60)] {
        text += &format!("[[tiers]]\nname = \"{name}\"\nat_least = {bound}\n");
    }
    policy(&(text + "[[tiers]]\nname = \"E\"\n"))
}

/// The lifecycle of the specification.
pub(crate) fn lifecycle() -> Policy {
    let tiers: String = ["active", "new", "dormant", "lost", "potential"]
        .map(|name| format!("[[tiers]]\nname = \"{name}\"\n"))
        .concat();
    policy(&format!("outside = \"potential\"\n[lifecycle]\n{tiers}"))
}

/// The loss signals of the specification.
pub(crate) fn detectors() -> DetectorSettings {
    let text = "kind = \"loss-signals\"\nname = \"s\"\nversion = 1\ncurrency = \"GBP\"\nat_stake_days = 365\n\
        [frequency_drop]\nwindows_days = [30, 60, 90, 120, 180, 270]\nbaseline_days = 365\nleast_baseline = 4\n\
        least_exposure_days = 90\nleast_expected = 3\nraise_at = \"0.5\"\nclear_at = \"0.8\"\np = 0.05\n\
        [silence]\nleast_order_days = 2\n\
        [complaint_rise]\nwindow_days = 30\nhistory_days = 365\ndaily_rate = 0.001\nprior_days = 180.0\nleast = 2\n\
        p = 0.05\nreopened_days = 14\n";
    match parse(text) {
        Ok(Document::Detectors(settings)) => *settings,
        other => unreachable!("{other:?}"),
    }
}

/// Customer `c` opens a complaint.
pub(crate) fn opened(id: &str, time: &str, complaint_id: &str, category: &str) -> Fact {
    of_c(id, "complaint.opened", time, json!({"complaint_id": complaint_id, "category": category}))
}

/// A complaint of customer `c` is closed.
pub(crate) fn closed(id: &str, time: &str, complaint_id: &str) -> Fact {
    of_c(id, "complaint.closed", time, json!({"complaint_id": complaint_id}))
}

/// Customer `c` is talked to, which changes no tier of the above but the score card's.
pub(crate) fn talked(id: &str, time: &str) -> Fact {
    of_c(id, "interaction.recorded", time, json!({"channel": "call"}))
}
