//! The demo really shows what it says: a year, then a shop that goes on, tiers that change, complaints that rise, a customer
//! whom time alone reports, and a receiver that gets signed webhooks.

use std::collections::BTreeSet;

use serde_json::Value;
use tiermesh_event_log::{
    EventLog, Record,
    embedded::EmbeddedLog,
    topics::{CHURN_SIGNALS, CUSTOMER_EVENTS, TIER_CHANGES, Topic},
};
use tiermesh_proto::v1::{CustomerEvent, LossSignal, TierChange, customer_event::Event};
use tiermesh_testkit::wait_for;

use crate::mesh_process::{PATIENCE, Process};

/// What a topic holds now.
fn records<V: prost::Message + Default>(log: &EmbeddedLog, topic: &Topic<V>) -> Vec<V> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let records: Vec<Record> = runtime.block_on(async {
        let mut all = Vec::new();
        for partition in 0..log.partitions(topic.name).await.unwrap() {
            let end = log.extent(topic.name, partition).await.unwrap().end;
            let mut next = 1;
            let mut reader = log.read(topic.name, partition, next).await.unwrap();
            while next < end {
                let records = reader.next(10_000).await.unwrap();
                next = records.last().unwrap().offset + 1;
                all.extend(records);
            }
        }
        all
    });
    records.iter().map(|record| topic.decode(record).unwrap()).collect()
}

/// What the demo printed as JSON, in order.
fn printed(demo: &Process) -> Vec<Value> {
    demo.logged().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn the_demo_shows_a_shop_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let arguments = ["up", "--demo", "--json", "--events-per-second", "5", "--data", &data.display().to_string()];
    let mut demo = Process::start("demo", dir.path(), &arguments);
    wait_for("the year to be through", PATIENCE, || printed(&demo).len() >= 2);
    let (introduction, summary) = (printed(&demo)[0].clone(), printed(&demo)[1].clone());
    assert_eq!(introduction["page"], demo.url());
    assert!(demo.get("/").contains("Tiermesh"), "there is no page");
    assert_eq!(summary["customers"], 4_336);
    let score_card = summary["tiers"]["scorecard"].as_object().unwrap();
    assert!(["A", "B", "C", "D", "E"].iter().all(|tier| score_card.contains_key(*tier)), "{score_card:?}");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let log = runtime.block_on(EmbeddedLog::open_read_only(data.join("log"))).unwrap();
    let now = |signal: &LossSignal, detector: &str| {
        !signal.history && signal.detector == detector && signal.state == "raised"
    };
    wait_for("a tier to change after the history", PATIENCE, || {
        let changes: Vec<TierChange> = records(&log, &TIER_CHANGES);
        changes.iter().any(|change| !change.history && change.from.is_some() && change.cause == "event")
    });
    wait_for("complaints to rise", PATIENCE, || {
        records(&log, &CHURN_SIGNALS).iter().any(|signal| now(signal, "complaint_rise"))
    });
    let mut missed = BTreeSet::new();
    wait_for("time to report a customer", PATIENCE, || {
        let signals = records(&log, &CHURN_SIGNALS).into_iter().filter(|signal| now(signal, "frequency_drop"));
        missed = signals.map(|signal| signal.customer).collect();
        !missed.is_empty()
    });
    let events: Vec<CustomerEvent> = records(&log, &CUSTOMER_EVENTS);
    let heard = events.iter().filter_map(|event| match &event.event {
        Some(Event::Fact(fact)) if fact.id.starts_with("demo-") => Some(fact.subject.as_str()),
        _ => None,
    });
    let heard: BTreeSet<&str> = heard.collect();
    assert!(missed.iter().any(|customer| !heard.contains(customer.as_str())), "{missed:?} were all heard of");

    let webhooks = introduction["webhooks"].as_str().unwrap().to_owned();
    let received = || -> Value {
        let answer = runtime.block_on(async { reqwest::get(format!("{webhooks}/messages")).await?.text().await });
        serde_json::from_str(&answer.unwrap()).unwrap()
    };
    tiermesh_service_host::install_tls();
    let has = |text: &str| received().as_array().unwrap().iter().any(|message| message.to_string().contains(text));
    wait_for("webhooks, their signatures checked", PATIENCE, || has("complaint_rise") && has("frequency_drop"));
    assert!(received()[0]["message"]["data"]["text"]["zh"].is_string(), "{}", received()[0]);

    demo.stop();
    let left: Vec<String> = ["state.db-wal", "read-model.db-wal", "log/log.db-wal"]
        .into_iter()
        .filter(|file| data.join(file).metadata().is_ok_and(|file| file.len() > 0))
        .map(str::to_owned)
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
