//! A release that folds otherwise: rolled one by one under load, then its logic is activated.
//!
//! The release before is the example `previous_release`. `cargo test` builds it, but not if it is given targets: then
//! `cargo build -p tiermesh --example previous_release` does.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};
use tiermesh_churn_warning::ChurnWarningProcessor;
use tiermesh_domain::{scoring::KNOWN_LOGIC, time::DAY_MS};
use tiermesh_event_log::{
    EventLog, Headers,
    kafka::{KafkaLog, KafkaSettings},
    topics::{CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS},
};
use tiermesh_processing::origin_of;
use tiermesh_proto::v1::{Control, LogicActivated, LossSignal, control, customer_event::Event};
use tiermesh_scoring::{CutPointsProcessor, ScoringProcessor};
use tiermesh_testkit::wait_for;

use crate::{
    data::{disordered, moved, ndjson, now, retail_events},
    mesh_process::{PATIENCE, Sender, attempt, run},
    running::{Mesh, PARTITIONS},
    undisturbed::{assert_nothing_lost, assert_undisturbed},
};

/// Each instance of the release before, the one that replaces it, and what both serve.
const INSTANCES: [[&str; 3]; 6] = [
    ["scoring-1-before", "scoring-1", "scoring"],
    ["churn-warning-1-before", "churn-warning-1", "churn-warning"],
    ["scoring-2-before", "scoring-2", "scoring"],
    ["churn-warning-2-before", "churn-warning-2", "churn-warning"],
    ["scoring-3-before", "scoring-3", "scoring"],
    ["churn-warning-3-before", "churn-warning-3", "churn-warning"],
];

/// The program of the release before: beside this one's directory.
fn previous_release() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().unwrap().with_file_name("examples").join("previous_release");
    assert!(program.is_file(), "{}: not built: cargo build -p tiermesh --example previous_release", program.display());
    program
}

/// What a mesh holds that was made when there was the first logic only.
fn say_first_logic(mesh: &Mesh) {
    let log = KafkaLog::new(KafkaSettings::new(mesh.brokers())).unwrap();
    let control = Some(control::Control::LogicActivated(LogicActivated { logic: 1 }));
    let record = CONTROL.record("", &Control { control, origin: None }, Headers::default());
    mesh.wait(async {
        let producer = log.producer("a-test").await.unwrap();
        producer.send(CONTROL.name, 0, vec![record]).await.unwrap().await.unwrap();
    });
}

fn logic(mesh: &Mesh, arguments: &[&str]) -> Value {
    let url = mesh.url();
    serde_json::from_str(&run(&[&["logic"], arguments, &["--json", "--to", &url]].concat())).unwrap()
}

/// What each partition was told of logic: at which offset which was activated first.
fn activations(mesh: &Mesh) -> Vec<BTreeMap<u32, u64>> {
    let mut all = Vec::new();
    for records in mesh.records(CUSTOMER_EVENTS.name) {
        let mut found = BTreeMap::new();
        for record in records {
            let Some(Event::Control(copy)) = CUSTOMER_EVENTS.decode(&record).unwrap().event else { continue };
            if let Some(control::Control::LogicActivated(activated)) = copy.control.and_then(|copy| copy.control) {
                found.entry(activated.logic).or_insert(record.offset);
            }
        }
        all.push(found);
    }
    all
}

/// The loss signals so far, each with the partition and the offset of what it was said of.
fn signals(mesh: &Mesh) -> Vec<(u32, u64, LossSignal)> {
    let records = mesh.records(CHURN_SIGNALS.name).into_iter().flatten();
    let signals = records.filter_map(|record| {
        let origin = origin_of(&record)?;
        Some((origin.partition, origin.offset, CHURN_SIGNALS.decode(&record).unwrap()))
    });
    signals.collect()
}

/// Starts an instance of the release before, whose time is over: it stops, and says what to do.
fn assert_stops(mesh: &mut Mesh, name: &'static str, service: &str) {
    let program = previous_release();
    mesh.add_service(name, service, |process| process.of_program(&program));
    mesh.process(name).launch();
    let status = mesh.process(name).wait_until_ended();
    assert!(!status.success(), "{name}: {status}");
    let logged = mesh.process(name).logged();
    let said = logged.lines().find(|line| line.contains("stopped; a person is needed"));
    let said = said.unwrap_or_else(|| panic!("{name} doesn't say why it stopped"));
    for part in ["customer.events", "logic 2 activated", "this release folds logic [1]", "upgrade it"] {
        assert!(said.contains(part), "{name} doesn't say {part:?}: {said}");
    }
}

#[test]
fn a_release_is_rolled_one_by_one_and_then_its_logic_is_activated() {
    let mut mesh = Mesh::on_kafka();
    say_first_logic(&mesh);
    mesh.serve("ingest", "ingest");
    let program = previous_release();
    for [before, _, service] in INSTANCES {
        mesh.add_service(before, service, |process| process.of_program(&program));
        mesh.process(before).launch();
    }
    INSTANCES.iter().for_each(|[before, ..]| mesh.process(before).wait_until_ready());
    run(&["policy", "activate", "abc", "lifecycle", "scorecard", "loss-signals", "--to", &mesh.url()]);
    let instance = mesh.process(INSTANCES[0][0]).url();
    let told = logic(&mesh, &["--url", &instance]);
    let expected = json!({
        "active": 1, "known_here": KNOWN_LOGIC, "known_by_ingest": KNOWN_LOGIC,
        "instances": [{"url": instance, "known": [1]}],
    });
    assert_eq!(told, expected, "an old mesh keeps its logic");

    let events = disordered(&moved(&retail_events(), 365 * DAY_MS, now()), 17);
    let mut parts = events.chunks(events.len().div_ceil(INSTANCES.len() + 3)).map(ndjson);
    let mut next_part = || parts.next().unwrap();
    let mut sender = Sender::start(&mesh.url(), &["--encoding", "utf-8", "-"]);
    sender.feed(&next_part());
    for [before, after, service] in INSTANCES {
        let part = next_part();
        std::thread::scope(|scope| {
            let feeding = scope.spawn(|| sender.feed(&part));
            mesh.process(before).stop();
            mesh.serve(after, service);
            feeding.join().unwrap();
        });
    }
    mesh.wait_until_folded();
    assert!(signals(&mesh).iter().all(|(.., signal)| signal.logic == 0), "not activated yet");

    // Nothing but the next known one, and never back.
    let url = mesh.url();
    let (code, _, refused) = attempt(&["logic", "activate", "3", "--to", &url]);
    assert!(code == 1 && refused.contains("logic 3 is not known to this release"), "{code}: {refused}");
    assert_eq!(logic(&mesh, &["activate", "2"])["changed"], true);
    assert_eq!(logic(&mesh, &["activate", "2"])["changed"], false);
    let (code, _, refused) = attempt(&["logic", "activate", "1", "--to", &url]);
    assert!(code == 1 && refused.contains("there is no way back"), "{code}: {refused}");

    let part = next_part();
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| sender.feed(&part));
        assert_stops(&mut mesh, "churn-warning-late", "churn-warning");
        assert_stops(&mut mesh, "scoring-late", "scoring");
        feeding.join().unwrap();
    });
    sender.feed(&next_part());
    assert_eq!(sender.finish()["refused"], 0);
    assert_nothing_lost(&mesh, &events);
    wait_for("the first cut-points", PATIENCE, || mesh.controls() >= 8);
    mesh.wait_until_folded();
    assert_undisturbed(&mesh, &ScoringProcessor { partitions: PARTITIONS });
    assert_undisturbed(&mesh, &CutPointsProcessor);
    assert_undisturbed(&mesh, &ChurnWarningProcessor { partitions: PARTITIONS });

    let activations = activations(&mesh);
    let (mut by_first, mut by_second, mut more_than_one) = (0, 0, 0);
    for (partition, offset, signal) in signals(&mesh) {
        let at = activations[partition as usize][&2];
        if offset < at {
            assert_eq!((signal.logic, signal.event_count), (0, 0), "{signal:?}");
            assert!(signal.events.len() <= 1, "{signal:?}");
            by_first += 1;
        } else {
            assert_eq!(signal.logic, 2, "{signal:?}");
            assert!(signal.events.len() == (signal.event_count as usize).min(20), "{signal:?}");
            by_second += 1;
            more_than_one += usize::from(signal.events.len() > 1);
        }
    }
    assert!(by_first > 100 && by_second > 100 && more_than_one > 50, "{by_first}, {by_second}, {more_than_one}");
    ["ingest"].into_iter().chain(INSTANCES.map(|[_, after, _]| after)).for_each(|name| mesh.process(name).stop());
}
