//! What happened, for people and for programs: `target/faults/report.md` and `report.json`, over all tests of faults.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tiermesh_domain::time::format_instant;

use crate::data::{now, root};

/// So much of a line is told to people.
const TOLD_CHARACTERS: usize = 240;

/// One fault.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) fault: String,
    pub(super) rounds: usize,
    /// Events that were accepted from its begin to the next.
    pub(super) events: usize,
    /// How long a partition of `tier.changes` stood still at most; nothing where partitions are meant to.
    pub(super) still: Duration,
    /// How long after its end the last of the partitions went on.
    pub(super) went_on: Duration,
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
    let told = json!({"test": test, "accepted": accepted, "repeats": repeats, "machine": machine(), "faults": faults});
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

/// When and where, and how busy the machine was at the end.
fn machine() -> String {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (processor, memory, load) = (file("/proc/cpuinfo"), file("/proc/meminfo"), file("/proc/loadavg"));
    let value = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_start_matches([' ', '\t', ':'])));
        line.unwrap_or("unknown").to_owned()
    };
    let memory = value(&memory, "MemTotal").trim_end_matches(" kB").parse().map_or(0, |kib: u64| kib >> 20);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = load.split(' ').next().unwrap_or_default();
    let processor = value(&processor, "model name");
    format!("{}, {cores} cores ({processor}), {memory} GiB, load {load}", format_instant(now()))
}

fn as_json(row: &Row) -> Value {
    let seconds = |time: Duration| (time > Duration::ZERO).then(|| (time.as_secs_f64() * 10.0).round() / 10.0);
    json!({
        "fault": row.fault, "rounds": row.rounds, "events": row.events, "still_seconds": seconds(row.still),
        "went_on_after_seconds": seconds(row.went_on), "log": row.lines, "doctor": row.doctor,
    })
}

fn markdown(tests: &[Value]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seconds = |value: &Value| value.as_f64().map_or_else(|| "–".to_owned(), |seconds| format!("{seconds} s"));
    let mut parts = String::from(
        "| part | events accepted, all in the log | outputs twice in the feed | when and where |\n| --- | --- | --- | --- |\n",
    );
    let mut figures = String::from(
        "| fault | rounds | events meanwhile | outputs stood still at most | went on after its end |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    let mut said = String::new();
    for test in tests {
        let (name, machine) = (text(&test["test"]), text(&test["machine"]));
        parts.push_str(&format!("| {name} | {} | {} | {machine} |\n", test["accepted"], test["repeats"]));
        for row in test["faults"].as_array().unwrap() {
            let fault = text(&row["fault"]);
            let (still, went_on) = (seconds(&row["still_seconds"]), seconds(&row["went_on_after_seconds"]));
            figures.push_str(&format!("| {fault} | {} | {} | {still} | {went_on} |\n", row["rounds"], row["events"]));
            said.push_str(&format!("- {fault}\n"));
            // One of each is enough here.
            for (who, lines) in [("log", &row["log"]), ("doctor", &row["doctor"])] {
                if let Some(line) = lines.get(0) {
                    said.push_str(&format!("  - {who}: `` {} ``\n", short(&text(line))));
                }
            }
        }
    }
    format!("{parts}\n{figures}\nWhat logs and doctor said:\n\n{said}")
}

fn short(line: &str) -> String {
    match line.char_indices().nth(TOLD_CHARACTERS) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line.to_owned(),
    }
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |target| root().join(target))
}
