//! What happened, for people and for programs: `target/faults/report.md` and `report.json`, over all tests of faults.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use crate::data::root;

/// One fault.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) fault: String,
    pub(super) rounds: usize,
    /// How long a partition of `tier.changes` stood still at most; nothing where partitions are meant to.
    pub(super) still: Duration,
    /// Lines of logs: which process, and what it said.
    pub(super) lines: Vec<String>,
    /// What `doctor` found wrong.
    pub(super) doctor: Vec<String>,
}

/// Tells of one test: its faults, how many events were accepted, how many outputs stand in the feed twice.
pub(super) fn tell(test: &str, accepted: usize, repeats: usize, rows: &[Row]) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let faults: Vec<Value> = rows.iter().map(as_json).collect();
    let told = json!({"test": test, "accepted": accepted, "repeats": repeats, "faults": faults});
    let dir = target().join("faults");
    std::fs::create_dir_all(dir.join("parts")).unwrap();
    std::fs::write(dir.join("parts").join(format!("{test}.json")), told.to_string()).unwrap();

    // Whichever tests ran so far, in the order of their names.
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.join("parts")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let tests: Vec<Value> =
        files.iter().map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()).collect();
    std::fs::write(dir.join("report.json"), format!("{:#}\n", json!(tests))).unwrap();
    std::fs::write(dir.join("report.md"), markdown(&tests)).unwrap();
}

fn as_json(row: &Row) -> Value {
    let still = (row.still > Duration::ZERO).then(|| (row.still.as_secs_f64() * 10.0).round() / 10.0);
    json!({
        "fault": row.fault, "rounds": row.rounds, "still_seconds": still, "log": row.lines, "doctor": row.doctor,
    })
}

fn markdown(tests: &[Value]) -> String {
    let mut text = String::from(
        "| fault | rounds | outputs stood still at most | a log line | doctor says |\n| --- | --- | --- | --- | --- |\n",
    );
    let mut sums = String::new();
    for test in tests {
        for row in test["faults"].as_array().unwrap() {
            let first = |list: &Value| list[0].as_str().unwrap_or("–").replace('|', "\\|");
            let still = row["still_seconds"].as_f64().map_or_else(|| "–".to_owned(), |still| format!("{still} s"));
            text.push_str(&format!(
                "| {} | {} | {still} | {} | {} |\n",
                row["fault"].as_str().unwrap(),
                row["rounds"],
                first(&row["log"]),
                first(&row["doctor"]),
            ));
        }
        sums.push_str(&format!(
            "- {}: {} events accepted, all in the log; {} outputs stand in the feed twice, with the same number and bytes.\n",
            test["test"].as_str().unwrap(),
            test["accepted"],
            test["repeats"],
        ));
    }
    format!("{text}\n{sums}")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |target| root().join(target))
}
