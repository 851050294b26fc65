//! Broker and database are restarted, stay away, and are reached by lines that are slow, silent or cut.

use std::time::Duration;

use tiermesh_testkit::Line;

use super::{
    scale,
    stage::{ALL, BEYOND_SESSION, LOST, Stage, on_disk},
};

/// Between two cuts.
const BETWEEN: Duration = Duration::from_millis(300);

fn broker_away(stage: &mut Stage, absence: Duration) {
    stage.begin(&format!("broker away for {} s", absence.as_secs()));
    stage.mesh.broker().stop();
    stage.doctor_names(&["log", "not available"]);
    std::thread::sleep(absence);
    stage.mesh.broker().restart();
    let words: [&[&str]; 2] = [&["the log has not acknowledged outputs"], &["the log is not available"]];
    stage.leaves_one_of(&["scoring-1", "scoring-2", "churn-warning"], &words);
    stage.recovers();
}

fn database_away(stage: &mut Stage, absence: Duration) {
    stage.begin(&format!("database away for {} s", absence.as_secs()));
    stage.database.stop();
    stage.doctor_names(&["service", "a save can't be written"]);
    stage.doctor_names(&["store", "not available"]);
    std::thread::sleep(absence);
    stage.database.restart();
    stage.leaves_line(&["scoring-1", "scoring-2", "churn-warning"], &["a save can't be written"]);
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
    stage.database_line.set(Line::Open);
    stage.leaves_line(&["scoring-1", "scoring-2", "churn-warning"], &["a save can't be written"]);
    stage.recovers();
}

/// Too short for anybody to need to be told, or for doctor to be asked.
fn restarts_and_cuts(stage: &mut Stage) {
    stage.begin("broker restarted");
    stage.mesh.broker().restart();
    stage.leaves_line(&["scoring-1"], &["kafka: FAIL"]);
    stage.recovers();

    stage.begin("database restarted");
    stage.database.restart();
    stage.recovers();

    stage.begin("all connections to the broker cut, ten times");
    for _ in 0..10 {
        stage.broker_line.interrupt();
        std::thread::sleep(BETWEEN);
    }
    stage.leaves_line(&["scoring-1"], &["kafka: FAIL"]);
    stage.recovers();

    stage.begin("all connections to the database cut, ten times");
    for _ in 0..10 {
        stage.database_line.interrupt();
        std::thread::sleep(BETWEEN);
    }
    stage.recovers();
}

fn silent_database(stage: &mut Stage) {
    stage.begin("the database's line silent");
    stage.database_line.set(Line::Silent);
    stage.doctor_names(&["store", "not available"]);
    stage.database_line.set(Line::Open);
    stage.recovers();
}

fn slow_lines(stage: &mut Stage) {
    stage.begin("both lines slow: 30 ms for each 16 KiB");
    stage.broker_line.set(Line::Slow(Duration::from_millis(30)));
    stage.database_line.set(Line::Slow(Duration::from_millis(30)));
    stage.goes_on();
    std::thread::sleep(Duration::from_secs(20));
    stage.recovers();
    stage.broker_line.set(Line::Open);
    stage.database_line.set(Line::Open);
}

#[test]
fn broker_database_and_lines_may_go_and_come_back() {
    let scale = scale();
    let mut stage = Stage::start(&ALL, on_disk);
    broker_away(&mut stage, scale.absence);
    database_away(&mut stage, scale.absence);
    silent_broker(&mut stage);
    database_cut_off(&mut stage);
    if scale.full {
        restarts_and_cuts(&mut stage);
        silent_database(&mut stage);
        slow_lines(&mut stage);
    }
    stage.finish("absences");
}
