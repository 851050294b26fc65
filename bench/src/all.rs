//! `all`: every benchmark in turn, each in a process of its own, so that none starts with the memory of another.

use std::process::Command;

use crate::{Failure, run::Run};

/// The last takes what the second measured.
const BENCHMARKS: [&str; 8] = ["fold", "throughput", "growth", "recovery", "ingest", "latency", "embedded", "scaling"];

/// Runs them; one that fails doesn't keep the others from running.
///
/// # Errors
/// Which failed.
pub fn run(run: &Run) -> Result<(), Failure> {
    let mut failed = Vec::new();
    for benchmark in BENCHMARKS {
        eprintln!("=== {benchmark}");
        let status = Command::new(std::env::current_exe()?).args(run.arguments()).arg(benchmark).status()?;
        if !status.success() {
            failed.push(benchmark);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}
