//! `kill -9` while events are being sent: nothing is lost, and after de-duplication all is said once, in order, in the
//! bytes that an undisturbed fold of the same log gives.

use std::collections::BTreeSet;

use serde_json::Value;
use tiermesh_churn_warning::ChurnWarningProcessor;
use tiermesh_domain::time::DAY_MS;
use tiermesh_scoring::{CutPointsProcessor, ScoringProcessor};
use tiermesh_testkit::wait_for;

use crate::{
    data::{disordered, moved, ndjson, now, retail_events, retail_file},
    embedded::assert_is,
    kafka,
    mesh_process::{PATIENCE, Sender},
    running::{Mesh, PARTITIONS},
    simulate_command::{UNTIL, simulated_year},
    undisturbed::{assert_nothing_lost, assert_undisturbed},
};

/// The year of invoices up to now, out of order, a tenth of them twice.
fn events() -> Vec<Value> {
    disordered(&moved(&retail_events(), 365 * DAY_MS, now()), 13)
}

/// Sends a part of the events, and kills and restarts a process in the midst of it.
fn send_and_kill(mesh: &mut Mesh, sender: &mut Sender, part: &[Value], victim: &str) {
    let before = mesh.events();
    let lines = ndjson(part);
    std::thread::scope(|scope| {
        // It may have to wait until the victim is back.
        let feeding = scope.spawn(|| sender.feed(&lines));
        wait_for("events to arrive", PATIENCE, || mesh.events() > before);
        kill_and_restart(mesh, victim);
        feeding.join().unwrap();
    });
}

fn kill_and_restart(mesh: &mut Mesh, victim: &str) {
    mesh.process(victim).kill();
    mesh.process(victim).launch();
    mesh.process(victim).wait_until_ready();
}

/// Sends the year as history, and kills these processes on the way.
fn load_year_and_kill(mesh: &mut Mesh, victims: &[&str]) {
    let file = retail_file().display().to_string();
    let arguments = ["--history", "--mapping", "retail", "--until", UNTIL, "--more", &file];
    let mut sender = Sender::start(&mesh.url(), &arguments);
    for (victim, events) in victims.iter().zip((1..).map(|nth| nth * 5_000)) {
        wait_for("history to get on", PATIENCE, || mesh.events() > events);
        assert!(sender.is_sending(), "{victim} was to be killed before history ends");
        kill_and_restart(mesh, victim);
    }
    let sent = sender.finish();
    assert_eq!((&sent["accepted"], &sent["refused"]), (&22_686.into(), &0.into()), "{sent}");
    mesh.wait_until_folded();
}

fn assert_all_undisturbed(mesh: &Mesh) {
    // A logic, five policies, perhaps that the mesh is live, and cut-points for the two that need them.
    wait_for("the first cut-points", PATIENCE, || mesh.controls() >= 9);
    mesh.wait_until_folded();
    assert_undisturbed(mesh, &ScoringProcessor { partitions: PARTITIONS });
    assert_undisturbed(mesh, &CutPointsProcessor);
    assert_undisturbed(mesh, &ChurnWarningProcessor { partitions: PARTITIONS });
    assert!(mesh.verify() > 0);
}

#[test]
fn on_kafka_every_service_may_be_killed_while_events_come() {
    let mut mesh = kafka::start(&["scoring"]);
    let events = events();
    let mut sender = Sender::start(&mesh.url(), &["--encoding", "utf-8", "-"]);
    let victims = ["ingest", "scoring", "churn-warning"];
    for (part, victim) in events.chunks(events.len().div_ceil(6)).zip(victims.into_iter().cycle()) {
        send_and_kill(&mut mesh, &mut sender, part, victim);
        // Killed again, it is to be in the midst of its work.
        if victim == "churn-warning" {
            mesh.wait_until_folded();
        }
    }
    let sent = sender.finish();
    assert_eq!(sent["refused"], 0);
    assert_nothing_lost(&mesh, &events);
    assert_all_undisturbed(&mesh);
    victims.iter().for_each(|name| mesh.process(name).stop());
}

#[test]
fn the_one_process_may_be_killed_while_it_starts_and_while_events_come() {
    let mut mesh = Mesh::embedded();
    // Before there is a log, and at each step of getting ready for the first time.
    for controls in 0..=6 {
        mesh.process("up").launch();
        wait_for(&format!("{controls} control records"), PATIENCE, || mesh.controls() >= controls);
        mesh.process("up").kill();
    }
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    let policies: Value = serde_json::from_str(&mesh.process("up").get("/v1/policies")).unwrap();
    let names = policies["policies"].as_array().unwrap().iter().map(|policy| policy["name"].as_str().unwrap());
    let names: BTreeSet<&str> = names.collect();
    assert_eq!(names, BTreeSet::from(["abc", "lifecycle", "loss-signals", "pyramid", "scorecard"]));

    let events = events();
    let mut sender = Sender::start(&mesh.url(), &["--encoding", "utf-8", "-"]);
    for part in events.chunks(events.len().div_ceil(4)) {
        send_and_kill(&mut mesh, &mut sender, part, "up");
    }
    assert_eq!(sender.finish()["refused"], 0);
    assert_nothing_lost(&mesh, &events);
    assert_all_undisturbed(&mesh);
    mesh.process("up").stop();
}

#[test]
fn on_kafka_every_service_may_be_killed_while_history_is_loaded() {
    let mut mesh = kafka::start(&["scoring"]);
    load_year_and_kill(&mut mesh, &["ingest", "scoring", "churn-warning"]);
    assert_is(&mesh, simulated_year());
    assert_all_undisturbed(&mesh);
}

#[test]
fn the_one_process_may_be_killed_while_history_is_loaded() {
    let mut mesh = Mesh::embedded();
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    load_year_and_kill(&mut mesh, &["up"; 4]);
    assert_is(&mesh, simulated_year());
    assert_all_undisturbed(&mesh);
}
