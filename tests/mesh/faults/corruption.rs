//! Records that nobody can read, one in each topic: its partition stops by name, and the others go on. In a topic of
//! others such a record becomes a dead letter.

use tiermesh_event_log::{
    EventLog, Headers, NewRecord,
    kafka::{KafkaLog, KafkaSettings},
    topics::{
        CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS, NOTIFICATION_DELIVERIES, SCORING_SUMMARIES,
        TIER_CHANGES, TopicSpec,
    },
};
use tiermesh_testkit::wait_for;

use super::{
    scale,
    stage::{Stage, on_disk},
};
use crate::mesh_process::PATIENCE;

/// A topic of others.
const INBOUND: &str = "erp.orders";

const SERVICES: [(&str, &str); 5] = [
    ("ingest", "ingest"),
    ("scoring", "scoring"),
    ("churn-warning", "churn-warning"),
    ("notification", "notification"),
    ("console", "console"),
];

/// Where a bad record is written, and who stops at it.
const PLACES: [(&str, u32, &[&str]); 7] = [
    (TIER_CHANGES.name, 1, &["notification", "console"]),
    (CHURN_SIGNALS.name, 2, &["notification", "console"]),
    (DEAD_LETTERS.name, 3, &["console"]),
    (NOTIFICATION_DELIVERIES.name, 4, &["console"]),
    (CUSTOMER_EVENTS.name, 0, &["scoring", "churn-warning", "console"]),
    (SCORING_SUMMARIES.name, 0, &["scoring"]),
    (CONTROL.name, 0, &["ingest", "notification", "console"]),
];

/// Where it is written if not everywhere: to what is told, what is folded, what rules.
const PART: [&str; 3] = [TIER_CHANGES.name, CUSTOMER_EVENTS.name, CONTROL.name];

/// Writes a bad record as somebody would who has no business there; its offset.
fn write(stage: &Stage, topic: &str, partition: u32, with_headers: bool) -> u64 {
    let headers: Headers = match with_headers {
        true => [("ce_id", "1"), ("ce_source", "somebody"), ("content-type", "text/plain")].into_iter().collect(),
        false => Headers::new(),
    };
    let record = NewRecord { value: "\u{7f}\u{7f}\u{7f} nothing of ours".into(), headers, ..NewRecord::default() };
    stage.mesh.wait(async {
        let log = KafkaLog::new(KafkaSettings::new(stage.mesh.brokers())).unwrap();
        if topic == INBOUND {
            let topic = TopicSpec { name: INBOUND.to_owned(), partitions: 1, retention_days: None };
            log.create_topics(&[topic]).await.unwrap();
        }
        let producer = log.producer("somebody").await.unwrap();
        producer.send(topic, partition, vec![record]).await.unwrap().await.unwrap()
    })
}

/// Nothing rests on one in the list of log ids: it is left aside.
fn log_ids(stage: &mut Stage) {
    stage.begin("a corrupt record in `tiermesh.log-ids`");
    write(stage, "tiermesh.log-ids", 0, true);
    stage.mesh.create_topics();
    stage.mesh.process("churn-warning").stop();
    stage.mesh.process("churn-warning").launch();
    stage.mesh.process("churn-warning").wait_until_ready();
    stage.recovers();
}

/// Of a topic of others it is kept as a dead letter.
fn inbound(stage: &mut Stage) {
    stage.begin("a corrupt record in an inbound topic");
    let offset = write(stage, INBOUND, 0, true);
    let file = format!("[[topics]]\nname = \"{INBOUND}\"\nsources = [\"erp/*\"]\n");
    let file = stage.mesh.file("inbound.toml", file.as_bytes());
    stage.launch("ingest-inbound", "ingest", &["--inbound", &file]);
    stage.mesh.process("ingest-inbound").wait_until_ready();
    wait_for("the dead letter", PATIENCE, || {
        let letters = stage.mesh.records(DEAD_LETTERS.name);
        let places = letters.iter().flatten().filter_map(|record| DEAD_LETTERS.decode(record).ok()?.inbound);
        places.into_iter().any(|place| place.topic == INBOUND && place.offset == offset)
    });
    stage.doctor_names(&["dead letters", "wait to be corrected"]);
    stage.goes_on_beside(&[]);
}

#[test]
fn a_record_that_nobody_can_read_stops_its_partition_and_nothing_else() {
    let mut stage = Stage::start(&SERVICES, on_disk);
    let full = scale().full;
    if full {
        log_ids(&mut stage);
        inbound(&mut stage);
    }
    let mut standing = Vec::new();
    let part = |topic| full || PART.contains(&topic);
    for (number, (topic, partition, stopped)) in PLACES.into_iter().enumerate().filter(|(_, place)| part(place.0)) {
        stage.begin(&format!("a corrupt record in `{topic}`"));
        let offset = write(&stage, topic, partition, number % 2 == 0);
        let (topic, offset) = (format!("topic `{topic}`"), format!("offset {offset}"));
        for service in stopped {
            stage.leaves_line(&[service], &[&topic, &offset]);
        }
        stage.doctor_names(&["service", &topic, &offset]);
        if topic.contains(CUSTOMER_EVENTS.name) {
            standing.push(partition);
        }
        stage.goes_on_beside(&standing);
    }
    stage.begin("scoring restarted, a partition of it being stopped");
    stage.mesh.process("scoring").kill();
    stage.mesh.process("scoring").launch();
    stage.mesh.process("scoring").wait_until_ready();
    stage.leaves_line(&["scoring"], &["partition stopped", "topic `customer.events`"]);
    stage.doctor_names(&["service", "scoring", "topic `customer.events`"]);
    stage.goes_on_beside(&standing);
    stage.finish_stopped("corruption");
}
