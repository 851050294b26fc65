//! The data that tests run on: the real invoices, the ready policies, generated histories.

use std::{io::Read, path::PathBuf};

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use tiermesh_domain::{
    fact::parse_cloud_event,
    policy::{Document, Policy},
    time::{Millis, format_instant, parse_instant},
};
use tiermesh_proto::v1::Fact;

/// The workspace's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The text of a ready policy.
pub fn policy_text(name: &str) -> String {
    std::fs::read_to_string(root().join(format!("policies/{name}.toml"))).unwrap()
}

/// A ready policy.
pub fn policy(name: &str) -> Policy {
    match tiermesh_domain::policy::parse(&policy_text(name)).unwrap() {
        Document::Tiers(policy) => *policy,
        Document::Detectors(_) => panic!("{name} gives no tiers"),
    }
}

/// The names of the ready tier policies.
pub const POLICIES: [&str; 4] = ["abc", "lifecycle", "pyramid", "scorecard"];

/// The file of the real invoices.
pub fn retail_file() -> PathBuf {
    root().join("data/online_retail_2009_2010.csv.gz")
}

/// The real invoices as CloudEvents, as the mapping `retail` reads them, written here once more on purpose.
pub fn retail_events() -> Vec<Value> {
    let file = std::fs::File::open(retail_file()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let (invoice, customer, time, amount) = (cells[0], cells[1], cells[2], cells[4]);
            let (kind, id, data) = match amount.strip_prefix('-') {
                Some(refund) => (
                    "tiermesh.order.refunded",
                    format!("r-{invoice}"),
                    json!({"refund_id": invoice, "amount": refund, "currency": "GBP"}),
                ),
                None => (
                    "tiermesh.order.placed",
                    format!("o-{invoice}"),
                    json!({"order_id": invoice, "amount": amount, "currency": "GBP"}),
                ),
            };
            json!({
                "specversion": "1.0", "type": kind, "source": "erp/retail", "id": id,
                "subject": customer, "time": time, "data": data,
            })
        })
        .collect()
}

/// The real invoices as facts.
pub fn retail() -> Vec<Fact> {
    retail_events().iter().map(|event| parse_cloud_event(event.to_string().as_bytes()).unwrap().fact).collect()
}

/// When an event happened.
pub fn time_of(event: &Value) -> Millis {
    parse_instant(event["time"].as_str().unwrap()).unwrap()
}

/// The events that happened in the last `window` before the last of all, moved so that the last happens at `end`.
pub fn moved(events: &[Value], window: Millis, end: Millis) -> Vec<Value> {
    let last = events.iter().map(time_of).max().unwrap();
    let recent = events.iter().filter(|event| time_of(event) > last - window);
    let moved = recent.map(|event| {
        let mut moved = event.clone();
        moved["time"] = format_instant(time_of(event) - last + end).into();
        moved
    });
    moved.collect()
}

/// The events in another order, a tenth of them twice.
pub fn disordered(events: &[Value], seed: u64) -> Vec<Value> {
    let mut disordered = events.to_vec();
    disordered.extend(events.iter().step_by(10).cloned());
    disordered.shuffle(&mut StdRng::seed_from_u64(seed));
    disordered
}

/// One event a line.
pub fn ndjson(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(|event| format!("{event}\n").into_bytes()).collect()
}

/// What time it is.
pub fn now() -> Millis {
    tiermesh_ingest::Clock::system().now_ms()
}
