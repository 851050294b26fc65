//! The walls of the workspace that neither cargo-deny nor clippy can see: who may depend on whom, what `domain` is kept
//! free of, that no code is unsafe, that files stay small, that the documentation's links lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::data::root;

const SERVICES: [&str; 5] =
    ["tiermesh-ingest", "tiermesh-scoring", "tiermesh-churn-warning", "tiermesh-notification", "tiermesh-console"];

/// What each package may depend on inside the workspace, tests left aside. A new package is to be added here, which is
/// the moment to think about where it stands.
const MAY_DEPEND_ON: [(&str, &[&str]); 15] = [
    ("tiermesh-proto", &[]),
    ("tiermesh-domain", &["tiermesh-proto"]),
    // The yardstick: of `domain` it may use parsing, numbers and time; how the fold works it must not know.
    ("tiermesh-batch", &["tiermesh-domain", "tiermesh-proto"]),
    ("tiermesh-store", &[]),
    ("tiermesh-event-log", &["tiermesh-domain", "tiermesh-proto"]),
    (
        "tiermesh-processing",
        &["tiermesh-domain", "tiermesh-event-log", "tiermesh-proto", "tiermesh-service-host", "tiermesh-store"],
    ),
    ("tiermesh-service-host", &["tiermesh-event-log", "tiermesh-store"]),
    ("tiermesh-testkit", &[]),
    ("tiermesh-ingest", BELOW_SERVICES),
    ("tiermesh-scoring", BELOW_SERVICES),
    ("tiermesh-churn-warning", BELOW_SERVICES),
    ("tiermesh-notification", BELOW_SERVICES),
    ("tiermesh-console", BELOW_SERVICES),
    // The command links everything.
    ("tiermesh", ALL),
    // Runs the command; writes records as ingest makes them, and folds along to know what has to follow.
    (
        "tiermesh-bench",
        &[
            "tiermesh-domain",
            "tiermesh-event-log",
            "tiermesh-ingest",
            "tiermesh-processing",
            "tiermesh-proto",
            "tiermesh-testkit",
        ],
    ),
];

const BELOW_SERVICES: &[&str] = &[
    "tiermesh-domain",
    "tiermesh-event-log",
    "tiermesh-processing",
    "tiermesh-proto",
    "tiermesh-service-host",
    "tiermesh-store",
];

const ALL: &[&str] = &[
    "tiermesh-batch",
    "tiermesh-churn-warning",
    "tiermesh-console",
    "tiermesh-domain",
    "tiermesh-event-log",
    "tiermesh-ingest",
    "tiermesh-notification",
    "tiermesh-processing",
    "tiermesh-proto",
    "tiermesh-scoring",
    "tiermesh-service-host",
    "tiermesh-store",
];

/// Packages that do I/O, tell the time or throw dice: none of them anywhere below `domain`, `batch` and `proto`.
const IMPURE: &str = "async-std axum chrono fastrand getrandom hyper libc mio rand rand_core rdkafka reqwest rustix \
    socket2 sqlx sqlx-core tempfile time tokio tonic tracing uuid";

/// Longest file that a person may have written.
const MOST_LINES: usize = 600;

struct Package {
    name: String,
    manifest: PathBuf,
    /// Name, and whether it is for tests only.
    dependencies: Vec<(String, bool)>,
    /// Roots of the libraries and programs.
    roots: Vec<PathBuf>,
}

#[test]
fn dependencies_point_one_way() {
    let allowed = BTreeMap::from(MAY_DEPEND_ON);
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in &packages {
        let name = package.name.as_str();
        let Some(allowed) = allowed.get(name) else {
            panic!("{name} is new: say in tests/mesh/walls.rs what it may depend on");
        };
        for (dependency, tests_only) in &package.dependencies {
            let dependency = dependency.as_str();
            let is_wall = ours.contains(dependency) && !tests_only;
            assert!(!is_wall || allowed.contains(&dependency), "{name} must not depend on {dependency}");
        }
    }
    assert_eq!(ours.len(), MAY_DEPEND_ON.len(), "tests/mesh/walls.rs names packages that are gone");
}

#[test]
fn services_do_not_know_each_other() {
    for package in packages().iter().filter(|package| SERVICES.contains(&package.name.as_str())) {
        for (dependency, _) in &package.dependencies {
            // Not even in tests: what takes two services is a test of the mesh.
            assert!(!SERVICES.contains(&dependency.as_str()), "{} depends on {dependency}", package.name);
        }
    }
}

#[test]
fn only_the_log_knows_kafka() {
    for package in packages() {
        let knows = package.dependencies.iter().any(|(dependency, _)| dependency.starts_with("rdkafka"));
        // The benchmarks measure a bare consumer beside it.
        let may = ["tiermesh-event-log", "tiermesh-bench"].contains(&package.name.as_str());
        assert!(!knows || may, "{} depends on rdkafka", package.name);
    }
}

#[test]
fn what_is_pure_has_no_impure_dependency() {
    for package in ["tiermesh-proto", "tiermesh-domain", "tiermesh-batch"] {
        let arguments = ["tree", "--offline", "--prefix", "none", "--edges", "normal", "--format", "{p}", "--package"];
        let tree = cargo(&[&arguments[..], &[package]].concat());
        let found: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(found.len() > 3, "cargo tree says nothing about {package}: {tree}");
        for impure in IMPURE.split(' ') {
            assert!(!found.contains(&impure), "{package} depends on {impure}: `cargo tree -p {package} -i {impure}`");
        }
    }
}

#[test]
fn no_code_is_unsafe() {
    let workspace = read(&root().join("Cargo.toml"));
    assert!(workspace.contains("unsafe_code = \"forbid\""), "the workspace's lints no longer forbid unsafe code");
    for package in packages() {
        let inherits = read(&package.manifest).contains("[lints]\nworkspace = true");
        for root in &package.roots {
            let forbids = read(root).contains("#![forbid(unsafe_code)]");
            assert!(inherits || forbids, "{}: unsafe code isn't forbidden", root.display());
        }
    }
}

#[test]
fn files_stay_small_and_say_what_they_are() {
    for file in files(&["crates", "services", "proto", "tests", "bench"], "rs") {
        let text = read(&file);
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines; at most {MOST_LINES}: split it", file.display());
        assert!(text.starts_with("//!"), "{}: its first line is to say what it is about", file.display());
    }
}

#[test]
fn links_lead_somewhere() {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"];
    let pages = top.iter().map(|page| root().join(page)).chain(files(&["docs"], "md"));
    for page in pages {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let target = page.parent().unwrap_or(&page).join(path);
            assert!(target.exists(), "{} links to {link}, which isn't there", page.display());
        }
    }
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn packages() -> Vec<Package> {
    let metadata = cargo(&["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let is_root = |target: &&Value| {
        let kinds = target["kind"].as_array().unwrap();
        kinds.iter().any(|kind| kind == "lib" || kind == "bin")
    };
    let package = |package: &Value| Package {
        name: text(&package["name"]),
        manifest: text(&package["manifest_path"]).into(),
        dependencies: package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dependency| (text(&dependency["name"]), dependency["kind"] == "dev"))
            .collect(),
        roots: package["targets"]
            .as_array()
            .unwrap()
            .iter()
            .filter(is_root)
            .map(|target| text(&target["src_path"]).into())
            .collect(),
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

/// The files below these directories of the workspace that end so.
fn files(directories: &[&str], extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = directories.iter().map(|directory| root().join(directory)).collect();
    while let Some(directory) = left.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
