//! `tiermesh simulate` on the real invoices: the same bytes every time, and what the plain batch says.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::Value;
use tiermesh_batch::{CutPointsFrom, standings};
use tiermesh_domain::time::parse_instant;

use crate::{
    data::{POLICIES, disordered, ndjson, policy, retail, retail_events, retail_file},
    mesh_process::run,
};

/// Where the year of data ends: a midnight, after all of it.
pub(crate) const UNTIL: &str = "2010-12-01T00:00:00Z";

const CUSTOMER_KEYS: [&str; 10] =
    ["customer", "programme", "policy", "version", "tier", "score", "since", "metrics", "coverage", "missing"];
const CHANGE_KEYS: [&str; 15] = [
    "customer",
    "programme",
    "policy",
    "version",
    "from",
    "to",
    "at",
    "cause",
    "score",
    "contributions",
    "metrics",
    "coverage",
    "missing",
    "events",
    "event_count",
];
const SIGNAL_KEYS: [&str; 8] = ["customer", "detector", "at", "state", "observed", "expected", "window_days", "p"];

/// The three files of a simulation.
#[derive(PartialEq, Eq)]
pub(crate) struct Results {
    pub(crate) customers: String,
    pub(crate) changes: String,
    pub(crate) signals: String,
}

/// Runs the ready policies over these files, into a directory of its own.
pub(crate) fn simulate(files: &[&Path], until: &str, mapping: bool) -> Results {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out").display().to_string();
    let mut arguments = vec!["simulate", "--until", until, "--out", &out];
    POLICIES.iter().for_each(|name| arguments.extend(["--policy", name]));
    if mapping {
        arguments.extend(["--mapping", "retail"]);
    }
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    files.iter().for_each(|file| arguments.extend(["--events", file]));
    run(&arguments);
    let read = |name: &str| std::fs::read_to_string(dir.path().join("out").join(name)).unwrap();
    Results { customers: read("customers.ndjson"), changes: read("changes.ndjson"), signals: read("signals.ndjson") }
}

/// What the year of the real invoices comes to; simulated once.
pub(crate) fn simulated_year() -> &'static Results {
    static YEAR: OnceLock<Results> = OnceLock::new();
    YEAR.get_or_init(|| simulate(&[&retail_file()], UNTIL, true))
}

/// The lines of NDJSON.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap()
}

/// Says where two texts differ, rather than print both.
pub(crate) fn assert_same(what: &str, found: &str, expected: &str) {
    let differs = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    if let Some(at) = differs {
        let line = |text: &str| text.lines().nth(at).unwrap().to_owned();
        panic!("{what}, line {}:\n  found    {}\n  expected {}", at + 1, line(found), line(expected));
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{what}: number of lines");
    assert!(found == expected, "{what} end differently");
}

fn assert_same_results(found: &Results, expected: &Results) {
    assert_same("customers", &found.customers, &expected.customers);
    assert_same("changes", &found.changes, &expected.changes);
    assert_same("signals", &found.signals, &expected.signals);
}

#[test]
fn the_same_bytes_for_any_order_and_duplication() {
    let first = simulated_year();
    assert_same_results(&simulate(&[&retail_file()], UNTIL, true), first);

    let events = disordered(&retail_events(), 7);
    let (one, other) = events.split_at(events.len() / 2);
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = ["one.ndjson", "other.ndjson"].iter().map(|name| dir.path().join(name)).collect();
    std::fs::write(&files[0], ndjson(one)).unwrap();
    std::fs::write(&files[1], ndjson(other)).unwrap();
    assert_same_results(&simulate(&[&files[1], &files[0]], UNTIL, false), first);
}

#[test]
fn the_tiers_are_those_of_the_plain_batch() {
    let simulated = lines(&simulated_year().customers);
    let facts = retail();
    let until = parse_instant(UNTIL).unwrap();
    assert!(facts.iter().all(|fact| fact.time_ms <= until), "the file goes beyond its year");
    let mut compared = 0;
    for name in POLICIES {
        let cut_points = CutPointsFrom { facts: &facts, boundary: until };
        let recomputed = standings(&facts, Some(until), &policy(name), Some(cut_points));
        let of_policy: Vec<&Value> = simulated.iter().filter(|line| line["policy"] == name).collect();
        assert_eq!(of_policy.len(), recomputed.len(), "{name}: customers");
        for line in of_policy {
            let standing = &recomputed[text(line, "customer")];
            assert_eq!(text(line, "tier"), standing.tier, "{name}: {line}");
            let score = standing.score_e4.map(|score| score as f64 / 10_000.0);
            assert_eq!(line["score"].as_f64(), score, "{name}: {line}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4 * 4_336);
}

#[test]
fn the_files_have_the_form_that_is_documented() {
    let results = simulated_year();
    for (text, keys) in [
        (&results.customers, &CUSTOMER_KEYS[..]),
        (&results.changes, &CHANGE_KEYS[..]),
        (&results.signals, &SIGNAL_KEYS[..]),
    ] {
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            let mut rest = line;
            for key in keys {
                let Some((_, behind)) = rest.split_once(&format!("\"{key}\":")) else { panic!("{key} of {line}") };
                rest = behind;
            }
            let found: Value = serde_json::from_str(line).unwrap();
            assert_eq!(found.as_object().unwrap().len(), keys.len(), "{line}");
        }
    }
    let customers = lines(&results.customers);
    assert!(customers.is_sorted_by_key(|line| (text(line, "customer"), text(line, "policy"))));
    let whole = customers.iter().find(|line| line["customer"] == "17850" && line["policy"] == "abc").unwrap();
    assert_eq!((&whole["programme"], &whole["version"], &whole["coverage"]), (&"value".into(), &1.into(), &1.into()));
    assert_eq!(whole["score"], Value::Null);
    let sales = text(&whole["metrics"], "net_sales");
    assert_eq!(sales.split_once('.').unwrap().1.len(), 2, "the currency's digits: {sales}");

    let changes = lines(&results.changes);
    let order = |line: &Value| {
        let at = parse_instant(text(line, "at")).unwrap();
        (at, ["customer", "programme", "policy"].map(|key| text(line, key).to_owned()))
    };
    assert!(changes.is_sorted_by_key(order));
    assert!(changes.iter().all(|line| line["from"] != line["to"] && line["contributions"].is_array()));
    let firsts = changes.iter().filter(|line| line["from"].is_null()).count();
    assert_eq!(firsts, customers.len(), "the first tier is a change from null");

    let signals = lines(&results.signals);
    assert!(signals.is_sorted_by_key(|line| parse_instant(text(line, "at")).unwrap()));
    assert!(signals.iter().all(|line| ["raised", "cleared", "lost"].contains(&text(line, "state"))));
    assert!(signals.iter().any(|line| line["detector"] == "frequency_drop" && line["p"].is_number()));
}
