//! Inbound topics on Apache Kafka, with the mesh's own log failing while they are read.

use std::collections::BTreeSet;

use serde_json::Value;
use tiermesh_event_log::{
    EventLog, NewRecord,
    kafka::{KafkaLog, KafkaSettings},
    topics::TopicSpec,
};
use tiermesh_ingest::{Clock, Inbound, Settings};
use tiermesh_testkit::kafka;

use crate::harness::{Instance, World, eventually, order, settings};

const TIME: &str = "2010-12-01T08:26:00Z";

/// A topic of others.
struct Others {
    log: KafkaLog,
    topic: String,
}

impl Others {
    async fn new() -> Self {
        let log = KafkaLog::new(KafkaSettings::new(kafka())).unwrap();
        let topic = format!("others.{}", uuid::Uuid::new_v4());
        log.create_topics(&[TopicSpec { name: topic.clone(), partitions: 1, retention_days: None }]).await.unwrap();
        Self { log, topic }
    }

    async fn write(&self, records: Vec<NewRecord>) {
        let producer = self.log.producer("others").await.unwrap();
        producer.send(&self.topic, 0, records).await.unwrap().await.unwrap();
    }

    /// An instance that reads the topic.
    async fn read_by(&self, world: &World) -> Instance {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("inbound.toml");
        std::fs::write(&file, format!("[[topics]]\nname = \"{0}\"\ngroup = \"{0}\"\n", self.topic)).unwrap();
        let inbound = Some(Inbound::read(&file, Some(&KafkaSettings::new(kafka()))).unwrap());
        let ingest = world.start_with(Settings { inbound, ..settings() }, Clock::system()).await;
        assert_eq!(ingest.post("/v1/live", "application/json", "").await.0, 200);
        ingest
    }
}

fn record(event: &Value) -> NewRecord {
    NewRecord { value: event.to_string().into(), ..NewRecord::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_while_the_log_fails_is_appended_later() {
    let (world, others) = (World::new().await, Others::new().await);
    // Customers of all partitions, so that a delivery fails between two of a batch.
    let events: Vec<Value> =
        (0..3_000).map(|number| order(&format!("o-{number}"), &format!("c{}", number % 40), TIME, "1")).collect();
    let (first, rest) = events.split_at(1_000);
    world.log.fail_next_delivery("ingest-events", 1);
    others.write(first.iter().map(record).collect()).await;
    let ingest = others.read_by(&world).await;
    for part in rest.chunks(500) {
        let before = world.facts().len();
        world.log.fail_next_delivery("ingest-events", 1);
        others.write(part.iter().map(record).collect()).await;
        eventually("read", async || world.facts().len() > before).await;
    }
    let names = || world.facts().into_iter().map(|fact| fact.id).collect::<BTreeSet<_>>();
    eventually("all there", async || names().len() == events.len()).await;
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_is_so_large_that_its_dead_letter_is_not_kept() {
    let (world, others) = (World::new().await, Others::new().await);
    let huge = "x".repeat(300_000);
    let headers = |headers: &[(&str, &str)]| headers.iter().copied().collect();
    let bad = |named: &[(&str, &str)]| NewRecord { value: "{".into(), headers: headers(named), ..NewRecord::default() };
    let binary = ("ce_specversion", "1.0");
    others
        .write(vec![
            bad(&[("content-type", &huge)]),
            bad(&[binary, ("ce_subject", &huge), ("ce_source", &huge), ("ce_id", &huge)]),
            bad(&[binary, (&format!("ce_{huge}"), "1")]),
            record(&order("o-1", "a", TIME, "1")),
        ])
        .await;
    let ingest = others.read_by(&world).await;
    eventually("past them", async || world.facts().len() == 1).await;
    // And the birth record of the topic, which has no value.
    eventually("kept", async || world.dead_letters().len() == 4).await;
    for letter in world.dead_letters() {
        let size = prost::Message::encoded_len(&letter);
        assert!(size < 50_000, "{size} bytes; {:.80} …", letter.reason);
    }
    ingest.stop().await;
}
