//! Inbound topics on Apache Kafka, with `kill -9` of ingest while it reads: every event counts once, no dead letter is
//! lost.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tiermesh_event_log::{
    EventLog, Headers, NewRecord,
    kafka::{KafkaLog, KafkaSettings},
    topics::{CUSTOMER_EVENTS, DEAD_LETTERS, TopicSpec},
};
use tiermesh_proto::v1::customer_event::Event;
use tiermesh_testkit::wait_for;

use crate::{
    data::now,
    mesh_process::{PATIENCE, Process, run},
    running::Mesh,
};

const TOPIC: &str = "erp.orders";
const INBOUND_PARTITIONS: u32 = 3;
const CUSTOMERS: usize = 40;

/// Writes to inbound topics, as others do.
struct Others {
    log: KafkaLog,
    runtime: tokio::runtime::Runtime,
}

impl Others {
    fn new(mesh: &Mesh) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let log = runtime.block_on(async { KafkaLog::new(KafkaSettings::new(mesh.brokers())).unwrap() });
        let topic = TopicSpec { name: TOPIC.to_owned(), partitions: INBOUND_PARTITIONS, retention_days: None };
        runtime.block_on(log.create_topics(&[topic])).unwrap();
        Self { log, runtime }
    }

    fn write(&self, partition: u32, records: Vec<NewRecord>) {
        self.runtime.block_on(async {
            let producer = self.log.producer("others").await.unwrap();
            producer.send(TOPIC, partition, records).await.unwrap().await.unwrap();
        });
    }
}

/// What the numbered record is: customers are spread over partitions, each in one.
fn order(number: usize) -> Value {
    let customer = format!("c{}", number % CUSTOMERS);
    json!({
        "specversion": "1.0", "id": format!("o{number}"), "source": "erp/retail", "type": "tiermesh.order.placed",
        "subject": customer, "time": tiermesh_domain::time::format_instant(now() - 1_000_000 + number as i64),
        "data": {"order_id": format!("o{number}"), "currency": "GBP", "amount": format!("{}.50", number % 7)},
    })
}

fn partition(number: usize) -> u32 {
    (number % CUSTOMERS) as u32 % INBOUND_PARTITIONS
}

/// As it is written: structured or binary by turns, and every ninth of them bad in one way or another.
fn record(number: usize) -> (NewRecord, bool) {
    let mut event = order(number);
    let is_bad = number.is_multiple_of(9);
    if is_bad {
        match number % 4 {
            0 => event["data"]["amount"] = "much".into(),
            1 => event["time"] = "yesterday".into(),
            2 => event["source"] = "shop/web".into(),
            _ => return (NewRecord { value: "{\"specversion\":".into(), ..NewRecord::default() }, true),
        }
    }
    if number.is_multiple_of(2) {
        return (NewRecord { value: event.to_string().into(), ..NewRecord::default() }, is_bad);
    }
    let attributes = ["specversion", "id", "source", "type", "subject", "time"];
    let mut headers: Headers =
        attributes.iter().map(|name| (format!("ce_{name}"), event[name].as_str().unwrap())).collect();
    headers.push("content-type", "application/json; charset=utf-8");
    (NewRecord { value: event["data"].to_string().into(), headers, ..NewRecord::default() }, is_bad)
}

fn ingest(mesh: &Mesh, name: &str, inbound: &str) -> Process {
    let sessions = "session.timeout.ms=3000,heartbeat.interval.ms=500";
    let arguments = ["serve", "ingest", "--kafka", mesh.brokers(), "--store", mesh.store()];
    let more = ["--no-keys", "--kafka-property", sessions, "--inbound", inbound];
    Process::start(name, mesh.directory(), &[&arguments[..], &more].concat())
}

#[test]
fn ingest_may_be_killed_while_it_reads_inbound_topics() {
    let mut mesh = Mesh::on_kafka();
    let others = Others::new(&mesh);
    let inbound =
        mesh.file("inbound.toml", format!("[[topics]]\nname = \"{TOPIC}\"\nsources = [\"erp/*\"]\n").as_bytes());
    let process = ingest(&mesh, "ingest", &inbound);
    mesh.add("ingest", process);
    run(&["policy", "activate", "scorecard", "--to", &mesh.url()]);

    // What lies there doesn't end the time in which history could be loaded.
    let numbers: Vec<usize> = (1..=9_000).collect();
    let (mut bad, mut good) = (BTreeSet::new(), BTreeMap::new());
    let mut next_offset = [1; INBOUND_PARTITIONS as usize];
    let mut write = |numbers: &[usize]| {
        for at in 0..INBOUND_PARTITIONS {
            let mut records = Vec::new();
            for number in numbers.iter().copied().filter(|number| partition(*number) == at) {
                let (record, is_bad) = record(number);
                let offset = next_offset[at as usize] + records.len() as u64;
                match is_bad {
                    true => _ = bad.insert((at, offset)),
                    false => _ = good.insert(format!("o{number}"), number),
                }
                records.push(record);
            }
            next_offset[at as usize] += records.len() as u64;
            others.write(at, records);
        }
    };
    write(&numbers[..3_000]);
    let waits =
        |mesh: &mut Mesh| mesh.process("ingest").logged().contains("inbound topics wait until the mesh is live");
    wait_for("ingest to wait", PATIENCE, || waits(&mut mesh));
    assert_eq!(facts(&mesh), []);
    let live = mesh.file("live.ndjson", format!("{}\n", order(0)).as_bytes());
    assert_eq!(mesh.send(&[&live])["accepted"], 1);

    for (round, part) in numbers[3_000..].chunks(2_000).enumerate() {
        let before = mesh.events();
        wait_for("events to come in", PATIENCE, || mesh.events() > before);
        mesh.process("ingest").kill();
        write(part);
        if round == 1 {
            // From here on two share the partitions.
            let process = ingest(&mesh, "ingest-2", &inbound);
            mesh.add("ingest-2", process);
        }
        mesh.process("ingest").launch();
        mesh.process("ingest").wait_until_ready();
    }
    // A member that leaves in good order hands its partitions over.
    mesh.process("ingest-2").stop();
    good.insert("o0".to_owned(), 0);
    let names = |mesh: &Mesh| facts(mesh).into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>();
    wait_for("all events to come in", PATIENCE, || names(&mesh).len() >= good.len());
    wait_for("all dead letters to be kept", PATIENCE, || letters(&mesh).len() >= bad.len() + 3);

    assert!(names(&mesh).iter().eq(good.keys()), "other events than those that were good");
    // The birth records of the topic are nothing to others but records without a value.
    let empty = (0..INBOUND_PARTITIONS).map(|partition| (partition, 0));
    assert_eq!(letters(&mesh), bad.iter().copied().chain(empty).collect());
    assert_in_order(&mesh);
    assert_each_counts_once(&mesh, good.values().copied());
    mesh.process("ingest").stop();
}

/// Customer and id of every fact in the log, doubles too, each partition in its order.
fn facts(mesh: &Mesh) -> Vec<(String, String)> {
    let records = mesh.records(CUSTOMER_EVENTS.name);
    let events = records.iter().flatten().map(|record| CUSTOMER_EVENTS.decode(record).unwrap().event);
    events
        .filter_map(|event| match event {
            Some(Event::Fact(fact)) => Some((fact.subject, fact.id)),
            _ => None,
        })
        .collect()
}

/// Where the dead letters were found; those that were written again after a crash once.
fn letters(mesh: &Mesh) -> BTreeSet<(u32, u64)> {
    let mut places = BTreeSet::new();
    for record in mesh.records(DEAD_LETTERS.name).iter().flatten() {
        let letter = DEAD_LETTERS.decode(record).unwrap();
        let place = letter.inbound.unwrap();
        assert_eq!(place.topic, TOPIC);
        assert!(!letter.reason.is_empty());
        assert_eq!(record.header("ce_id").unwrap(), format!("{TOPIC}-{}-{}", place.partition, place.offset));
        places.insert((place.partition, place.offset));
    }
    places
}

/// Of each customer, events came in as they stood in the inbound partition.
fn assert_in_order(mesh: &Mesh) {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (customer, id) in facts(mesh).into_iter().filter(|(_, id)| id != "o0") {
        if seen.insert(id.clone()) {
            let number = id[1..].parse().unwrap();
            let before = last.insert(customer, number);
            assert!(before < Some(number), "{id} stands behind {before:?}");
        }
    }
}

/// What the log leads to: each customer's sales, which doubles would raise.
fn assert_each_counts_once(mesh: &Mesh, good: impl Iterator<Item = usize>) {
    let mut expected: BTreeMap<String, (i64, usize)> = BTreeMap::new();
    for number in good {
        let (sales, orders) = expected.entry(format!("c{}", number % CUSTOMERS)).or_default();
        *sales += (number % 7) as i64 * 100 + 50;
        *orders += 1;
    }
    let mut found = BTreeMap::new();
    for line in mesh.export("customers").lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let sales = text(&line["metrics"]["net_sales"]).replace('.', "").parse().unwrap();
        let orders = text(&line["metrics"]["orders"]).parse().unwrap();
        found.insert(text(&line["customer"]), (sales, orders));
    }
    assert_eq!(found, expected);
}
