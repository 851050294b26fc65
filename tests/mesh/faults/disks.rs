//! Disks that fill up: that of the embedded log and its state, and that of the database. Once there is room again all goes
//! on, and what was accepted is there.

use std::sync::Arc;

use tiermesh_churn_warning::ChurnWarningProcessor;
use tiermesh_event_log::embedded::EmbeddedLog;
use tiermesh_scoring::ScoringProcessor;
use tiermesh_testkit::{PostgresServer, SmallDisk, wait_for};

use super::{
    feed::Feed,
    load::Load,
    report::{self, Row},
    stage::{ALL, Stage, doctor, without_time},
};
use crate::{
    mesh_process::PATIENCE,
    running::{Mesh, PARTITIONS},
    undisturbed::{assert_nothing_lost, assert_undisturbed},
};

/// A disk, or why the test can't be made here. It says so loudly: nothing else fills up for real.
fn small_disk(mebibytes: u32, test: &str) -> Option<SmallDisk> {
    match SmallDisk::mount(mebibytes) {
        Ok(disk) => Some(disk),
        Err(reason) => {
            eprintln!("NOT TESTED: {test}: {reason}");
            let row = Row { fault: format!("{test}: NOT TESTED, {reason}"), ..Row::default() };
            report::tell(test, 0, 0, &[row]);
            None
        }
    }
}

#[test]
fn the_disk_of_the_embedded_log_may_fill_up() {
    let Some(disk) = small_disk(256, "disk-embedded") else { return };
    let data = disk.path().join("data");
    let mut mesh = Mesh::embedded_at(tempfile::tempdir().unwrap(), &data);
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    let load = Load::start(vec![mesh.url()]);
    let log = mesh.wait(EmbeddedLog::open_read_only(data.join("log"))).unwrap();
    let feed = Feed::watch(Arc::new(log));
    wait_for("events to be accepted", PATIENCE, || load.accepted() > 200);

    feed.begin();
    let before = load.accepted();
    disk.fill();
    let mut lines = Vec::new();
    wait_for("a line about the disk", PATIENCE, || {
        let logged = mesh.process("up").logged();
        lines = logged.lines().filter(|line| line.contains("the log can't be written")).map(without_time).collect();
        !lines.is_empty()
    });
    let (directory, url) = (data.display().to_string(), mesh.url());
    let arguments = ["doctor", "--json", "--quick", "--data", &directory, "--url", &url];
    let mut said = Vec::new();
    wait_for("doctor to name the full disk", PATIENCE, || {
        said = doctor(&arguments, "wrong").into_iter().filter(|finding| finding.starts_with("disk: full")).collect();
        !said.is_empty()
    });
    disk.free();
    feed.over();
    let accepted = load.accepted();
    wait_for("events to be accepted again", PATIENCE, || load.accepted() > accepted + 200);
    wait_for("doctor to find nothing wrong", PATIENCE, || doctor(&arguments, "wrong").is_empty());
    mesh.wait_until_folded();
    let (still, went_on) = (feed.longest(), feed.went_on_after().unwrap());
    let events = load.accepted() - before;
    let sent = load.stop();
    mesh.wait_until_folded();
    assert_nothing_lost(&mesh, &sent);
    let repeats = assert_undisturbed(&mesh, &ScoringProcessor { partitions: PARTITIONS })
        + assert_undisturbed(&mesh, &ChurnWarningProcessor { partitions: PARTITIONS });
    mesh.process("up").stop();
    let row = Row {
        fault: "the embedded log's disk full".to_owned(),
        rounds: 1,
        lines: lines.into_iter().take(1).map(|line| format!("up: {line}")).collect(),
        doctor: said,
        events,
        still,
        went_on,
    };
    report::tell("disk-embedded", sent.len(), repeats, &[row]);
}

#[test]
fn the_disk_of_the_database_may_fill_up() {
    let Some(disk) = small_disk(400, "disk-database") else { return };
    let mut stage = Stage::start(&ALL, || PostgresServer::start_at(disk.path()));
    stage.begin("the database's disk full");
    disk.fill();
    stage.leaves_line(&["scoring-1", "scoring-2", "churn-warning"], &["a save can't be written"]);
    stage.doctor_names(&["a save can't be written"]);
    stage.goes_on();
    disk.free();
    // Without room for its own log the server ends; who makes room starts it again.
    if !stage.database.answers() {
        stage.database.restart();
    }
    stage.recovers();
    stage.finish("disk-database");
}
