//! The whole mesh in one process: history gives what `simulate` gives, and disorder changes nothing.

use std::collections::BTreeMap;

use tiermesh_domain::time::{DAY_MS, Millis, format_instant};
use tiermesh_event_log::topics::{CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS, SCORING_SUMMARIES, TIER_CHANGES};
use tiermesh_proto::v1::{control::Control, customer_event::Event};
use tiermesh_testkit::wait_for;

use crate::{
    data::{disordered, moved, ndjson, now, retail_events, retail_file},
    mesh_process::PATIENCE,
    running::Mesh,
    simulate_command::{Results, UNTIL, assert_same, lines, simulate, simulated_year},
};

/// Sends the year as history, more of which may follow, and waits until all is folded.
pub(crate) fn load_year(mesh: &Mesh) {
    let file = retail_file().display().to_string();
    let sent = mesh.send(&["--history", "--mapping", "retail", "--until", UNTIL, "--more", &file]);
    assert_eq!((&sent["accepted"], &sent["refused"]), (&22_686.into(), &0.into()), "{sent}");
    mesh.wait_until_folded();
}

/// The mesh says what the simulation says, byte for byte, and the plain batch agrees.
pub(crate) fn assert_is(mesh: &Mesh, simulated: &Results) {
    assert_same("customers", &mesh.export("customers"), &simulated.customers);
    assert_same("changes", &mesh.export("changes"), &simulated.changes);
    assert_same("signals", &mesh.export("signals"), &simulated.signals);
    assert_eq!(mesh.verify(), simulated.customers.lines().count() as u64);
}

#[test]
fn a_year_of_history_gives_what_simulate_gives_and_a_restart_changes_nothing() {
    let mut mesh = Mesh::embedded();
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    load_year(&mesh);
    assert_is(&mesh, simulated_year());

    let said = |mesh: &Mesh| {
        [TIER_CHANGES.name, CHURN_SIGNALS.name, SCORING_SUMMARIES.name, CONTROL.name].map(|topic| mesh.records(topic))
    };
    let before = said(&mesh);
    mesh.process("up").stop();
    assert_is(&mesh, simulated_year());
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    mesh.wait_until_folded();
    assert_is(&mesh, simulated_year());
    assert!(said(&mesh) == before, "a restart made the mesh say something");
}

/// The last tick that all partitions have.
fn last_tick(mesh: &Mesh) -> Option<Millis> {
    let last = |records: &Vec<_>| {
        let ticks = records.iter().filter_map(|record| match CUSTOMER_EVENTS.decode(record).unwrap().event {
            Some(Event::Tick(tick)) => Some(tick.time_ms),
            _ => None,
        });
        ticks.max()
    };
    mesh.records(CUSTOMER_EVENTS.name).iter().map(last).min().unwrap()
}

/// The policies with cut-points as of `from` or later.
fn policies_with_cut_points(mesh: &Mesh, from: Millis) -> Vec<String> {
    let mut policies: Vec<String> = Vec::new();
    for record in mesh.records(CONTROL.name).iter().flatten() {
        if let Some(Control::CutPoints(cut_points)) = CONTROL.decode(record).unwrap().control
            && cut_points.as_of_ms >= from
            && !policies.contains(&cut_points.policy)
        {
            policies.push(cut_points.policy);
        }
    }
    policies.sort();
    policies
}

/// The tier that scoring said last of each customer under each policy. Not by `at`: a late event changes tiers late.
fn said_tiers(mesh: &Mesh) -> BTreeMap<(String, String), String> {
    let changes = mesh.records(TIER_CHANGES.name).into_iter().flatten();
    let changes = changes.map(|record| TIER_CHANGES.decode(&record).unwrap());
    changes.map(|change| ((change.policy, change.customer), change.to)).collect()
}

fn tiers(customers: &str) -> BTreeMap<(String, String), String> {
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap().to_owned();
    let lines = lines(customers).into_iter();
    lines.map(|line| ((text(&line, "policy"), text(&line, "customer")), text(&line, "tier"))).collect()
}

/// What a line says, but for since when.
fn timeless(ndjson: &str) -> String {
    let mut timeless = String::new();
    for mut line in lines(ndjson) {
        line.as_object_mut().unwrap().remove("since").unwrap();
        timeless.push_str(&format!("{line}\n"));
    }
    timeless
}

#[test]
fn disordered_events_give_a_live_mesh_the_same_final_tiers() {
    let mut mesh = Mesh::embedded();
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    // Nothing of it leaves a window while the test runs.
    let events = moved(&retail_events(), 300 * DAY_MS, now() - 7_200_000);
    let disordered = disordered(&events, 11);
    assert!(events.len() > 15_000 && disordered.len() >= events.len() * 11 / 10);
    let file = mesh.file("disordered.ndjson", &ndjson(&disordered));
    let sent = mesh.send(&[&file]);
    assert_eq!(sent["accepted"].as_u64().unwrap() + sent["duplicates"].as_u64().unwrap(), disordered.len() as u64);
    assert_eq!(sent["refused"], 0);

    let boundary = (now().div_euclid(60_000) + 1) * 60_000;
    wait_for("cut-points of a live mesh", PATIENCE, || policies_with_cut_points(&mesh, boundary) == ["abc", "pyramid"]);
    let day = |instant: Option<Millis>| instant.unwrap().div_euclid(DAY_MS);
    let (customers, said, at) = loop {
        let before = last_tick(&mesh);
        mesh.wait_until_folded();
        let (customers, said) = (mesh.export("customers"), said_tiers(&mesh));
        let after = last_tick(&mesh);
        // Stages depend on the day.
        if day(before) == day(after) {
            break (customers, said, after.unwrap());
        }
    };
    let file = mesh.file("ordered.ndjson", &ndjson(&events));
    let simulated = simulate(&[file.as_ref()], &format_instant(at), false);
    assert_same("customers", &timeless(&customers), &timeless(&simulated.customers));
    assert!(said == tiers(&simulated.customers), "scoring said other tiers last");
    assert_eq!(mesh.verify(), simulated.customers.lines().count() as u64);
}
