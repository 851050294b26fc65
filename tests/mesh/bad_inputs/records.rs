//! Records of an inbound topic: each bad one becomes a dead letter with its place, field and reason, between two good
//! ones that are taken.

use serde_json::{Value, json};
use tiermesh_event_log::{
    EventLog, NewRecord,
    kafka::{KafkaLog, KafkaSettings},
    topics::{CUSTOMER_EVENTS, DEAD_LETTERS, TopicSpec},
};
use tiermesh_proto::v1::{DeadLetter, customer_event::Event};
use tiermesh_testkit::wait_for;

use super::{Faults, good};
use crate::{
    data::ndjson,
    mesh_process::{PATIENCE, Process},
    running::Mesh,
};

const TOPIC: &str = "shop.events";

/// What is written, the field that is to be named, and words of the reason.
fn bad() -> Vec<(&'static str, NewRecord, &'static str, &'static str)> {
    let changed = |change: fn(&mut Value)| {
        let mut event = good("bad");
        change(&mut event);
        NewRecord { value: event.to_string().into(), ..NewRecord::default() }
    };
    let with = |headers: &[(&str, &str)], value: String| NewRecord {
        value: value.into(),
        headers: headers.iter().copied().collect(),
        ..NewRecord::default()
    };
    let binary = [("ce_specversion", "1.0"), ("ce_id", "b"), ("ce_source", "erp/x"), ("ce_subject", "c1")];
    let order = good("b")["data"].to_string();
    vec![
        ("an empty value", NewRecord::default(), "", "empty"),
        ("no JSON", with(&[], "order".to_owned()), "", "not JSON"),
        ("no object", with(&[], "[]".to_owned()), "", "object"),
        ("a large value", with(&[], "x".repeat(300 << 10)), "", "262144"),
        ("another format", with(&[("content-type", "application/avro")], "x".to_owned()), "content-type", "avro"),
        (
            "a batch",
            with(&[("content-type", "application/cloudevents-batch+json")], "[]".to_owned()),
            "content-type",
            "cloudevents+json",
        ),
        ("an attribute missing", with(&binary, order.clone()), "type", "missing"),
        (
            "data that is no JSON",
            with(&[&binary[..], &[("ce_type", "tiermesh.order.placed")]].concat(), "much".to_owned()),
            "data",
            "not JSON",
        ),
        ("another's source", changed(|event| event["source"] = "crm/x".into()), "source", "erp/*"),
        ("words for money", changed(|event| event["data"]["amount"] = "much".into()), "data.amount", "much"),
        ("a mail address", changed(|event| event["subject"] = "ann@example.com".into()), "subject", "pseudonym"),
    ]
}

#[test]
fn each_is_a_dead_letter_with_its_place_and_its_neighbours_are_taken() {
    let mut mesh = Mesh::on_kafka();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bad = bad();
    runtime.block_on(async {
        let log = KafkaLog::new(KafkaSettings::new(mesh.brokers())).unwrap();
        let topic = TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention_days: None };
        log.create_topics(&[topic]).await.unwrap();
        let mut records = Vec::new();
        for (number, (_, record, ..)) in bad.iter().enumerate() {
            let neighbour = good(&format!("n{number}")).to_string().into();
            records.extend([record.clone(), NewRecord { value: neighbour, ..NewRecord::default() }]);
        }
        let producer = log.producer("others").await.unwrap();
        producer.send(TOPIC, 0, records).await.unwrap().await.unwrap();
    });
    let inbound =
        mesh.file("inbound.toml", format!("[[topics]]\nname = \"{TOPIC}\"\nsources = [\"erp/*\"]\n").as_bytes());
    let arguments = ["serve", "ingest", "--kafka", mesh.brokers(), "--store", mesh.store(), "--no-keys", "--inbound"];
    let process = Process::start("ingest", mesh.directory(), &[&arguments[..], &[&inbound]].concat());
    mesh.add("ingest", process);
    let live = mesh.file("live.ndjson", &ndjson(&[good("live")]));
    assert_eq!(mesh.send(&[&live])["accepted"], json!(1));

    wait_for("the neighbours", PATIENCE, || facts(&mesh) > bad.len());
    // The topic's birth record is one without a value, too.
    wait_for("the dead letters", PATIENCE, || letters(&mesh).len() > bad.len());
    assert_eq!((facts(&mesh), letters(&mesh).len()), (bad.len() + 1, bad.len() + 1));
    let mut faults = Faults::default();
    for (number, (what, record, field, reason)) in bad.iter().enumerate() {
        let offset = 1 + 2 * number as u64;
        let letters = letters(&mesh);
        let letter = letters.iter().find(|letter| letter.inbound.as_ref().is_some_and(|place| place.offset == offset));
        let letter = letter.unwrap_or_else(|| panic!("{what}: no letter"));
        assert_eq!(letter.field, *field, "{what}: {}", letter.reason);
        faults.tells(what, &letter.reason, &[reason]);
        let kept = letter.original.len().min(record.value.len());
        assert!(record.value.starts_with(&letter.original) && (kept > 0 || record.value.is_empty()), "{what}");
        assert_eq!(letter.headers.len(), record.headers.len(), "{what}");
    }
    faults.none();
    mesh.process("ingest").stop();
}

fn facts(mesh: &Mesh) -> usize {
    let records = mesh.records(CUSTOMER_EVENTS.name);
    let events = records.iter().flatten().map(|record| CUSTOMER_EVENTS.decode(record).unwrap().event);
    events.filter(|event| matches!(event, Some(Event::Fact(_)))).count()
}

fn letters(mesh: &Mesh) -> Vec<DeadLetter> {
    mesh.records(DEAD_LETTERS.name).iter().flatten().map(|record| DEAD_LETTERS.decode(record).unwrap()).collect()
}
