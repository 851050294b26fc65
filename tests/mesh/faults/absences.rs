//! Broker and database are restarted, stay away, and are reached by lines that are slow, silent or cut.

use std::time::Duration;

use tiermesh_testkit::Line;

use super::{
    scale,
    stage::{ALL, BEYOND_SESSION, LOST, Stage, on_disk},
};

/// Between two cuts.
const BETWEEN: Duration = Duration::from_millis(300);

/// Who saves: each of them says so when it can't.
const SAVING: [&str; 3] = ["scoring-1", "scoring-2", "churn-warning"];

fn broker_away(stage: &mut Stage, absence: Duration) {
    stage.begin(&format!("broker away for {} s", absence.as_secs()));
    stage.mesh.broker().stop();
    stage.doctor_names(&["log", "not available"]);
    stage.accepts_nothing_for(absence);
    stage.doctor_names(&["log", "not available"]);
    stage.mesh.broker().restart();
    let words: [&[&str]; 2] = [&["the log has not acknowledged outputs"], &["the log is not available"]];
    stage.leaves_one_of(&SAVING, &words);
    stage.recovers();
}

/// Nobody waits for saves: events are accepted, and lead to something.
fn database_away(stage: &mut Stage, absence: Duration) {
    stage.begin(&format!("database away for {} s", absence.as_secs()));
    stage.database.stop();
    stage.doctor_names(&["service", "a save can't be written"]);
    stage.doctor_names(&["store", "not available"]);
    std::thread::sleep(absence);
    stage.goes_on();
    stage.doctor_names(&["service", "a save can't be written"]);
    stage.database.restart();
    stage.leaves_line(&SAVING, &["a save can't be written"]);
    stage.recovers();
}

/// No connection ends, so that only time tells.
fn silent_broker(stage: &mut Stage) {
    stage.begin("the broker's line silent beyond the session");
    stage.broker_line.set(Line::Silent);
    std::thread::sleep(BEYOND_SESSION);
    stage.doctor_names(&["log", "not available"]);
    stage.broker_line.set(Line::Open);
    stage.leaves_one_of(&["scoring-1", "scoring-2"], &LOST);
    stage.recovers();
}

fn database_cut_off(stage: &mut Stage) {
    stage.begin("the database's line cut");
    stage.database_line.set(Line::Cut);
    stage.doctor_names(&["store", "not available"]);
    stage.doctor_names(&["service", "a save can't be written"]);
    stage.goes_on();
    stage.database_line.set(Line::Open);
    stage.leaves_line(&SAVING, &["a save can't be written"]);
    stage.recovers();
}

/// Back at once: as soon as doctor was asked.
fn restarts(stage: &mut Stage) {
    stage.begin("broker restarted");
    stage.mesh.broker().stop();
    stage.doctor_names(&["log", "not available"]);
    stage.mesh.broker().restart();
    stage.leaves_line(&["scoring-1"], &["kafka: FAIL"]);
    stage.recovers();

    stage.begin("database restarted");
    stage.database.stop();
    stage.doctor_names(&["store", "not available"]);
    stage.database.restart();
    stage.leaves_line(&SAVING, &["a save can't be written"]);
    stage.recovers();
}

/// Each too short for doctor to be asked.
fn cuts(stage: &mut Stage) {
    stage.begin("all connections to the broker cut, ten times");
    stage.row().rounds = 10;
    for _ in 0..10 {
        stage.broker_line.interrupt();
        std::thread::sleep(BETWEEN);
    }
    stage.leaves_line(&["scoring-1"], &["kafka: FAIL"]);
    stage.recovers();

    stage.begin("all connections to the database cut, ten times");
    stage.row().rounds = 10;
    for _ in 0..10 {
        stage.database_line.interrupt();
        std::thread::sleep(BETWEEN);
    }
    stage.leaves_one_of(&SAVING, &[&["a save can't be written"], &["ping on idle connection returned error"]]);
    stage.recovers();
}

fn silent_database(stage: &mut Stage) {
    stage.begin("the database's line silent");
    stage.database_line.set(Line::Silent);
    stage.doctor_names(&["store", "not available"]);
    stage.leaves_line(&SAVING, &["is the database slow, or out of reach"]);
    stage.goes_on();
    stage.database_line.set(Line::Open);
    stage.recovers();
}

/// Each answer takes 80 ms from the broker and a second from the database, and a save takes several.
fn slow_lines(stage: &mut Stage) {
    stage.begin("both lines slow: 40 ms (broker) and 500 ms (database) for each 16 KiB, both ways");
    stage.broker_line.set(Line::Slow(Duration::from_millis(40)));
    stage.database_line.set(Line::Slow(Duration::from_millis(500)));
    stage.doctor_says("note", &[&["store", "slow"], &["log", "slow"]]);
    stage.leaves_line(&SAVING, &["is the database slow, or out of reach"]);
    stage.goes_on();
    stage.broker_line.set(Line::Open);
    stage.database_line.set(Line::Open);
    stage.recovers();
}

#[test]
fn broker_database_and_lines_may_go_and_come_back() {
    let scale = scale();
    let mut stage = Stage::start(&ALL, on_disk);
    if scale.full {
        slow_lines(&mut stage);
    }
    broker_away(&mut stage, scale.absence);
    database_away(&mut stage, scale.absence);
    if scale.full {
        silent_broker(&mut stage);
        database_cut_off(&mut stage);
        restarts(&mut stage);
        cuts(&mut stage);
        silent_database(&mut stage);
    }
    stage.finish("absences");
}
