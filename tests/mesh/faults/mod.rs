//! Faults on the real thing: Kafka, PostgreSQL, a process for each service, under load. Whatever is killed, frozen, cut
//! off, filled up or written over: everything accepted is in the log, what is said is what an undisturbed fold says, once,
//! each fault leaves a line in a log that an operator understands, and `tiermesh doctor` names it while it lasts.
//!
//! `TIERMESH_FAULTS=full cargo test -p tiermesh --test mesh faults -- --nocapture --test-threads=1` runs all of it; without
//! the variable, a part that fits into every run. What happened is told in `target/faults/report.md`.

mod absences;
mod corruption;
mod disks;
mod feed;
mod load;
mod processes;
mod report;
mod scaling;
mod stage;

use std::time::Duration;

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// How often a service is killed.
    kills: usize,
    /// How long a server stays away.
    absence: Duration,
    /// Whether everything is frozen, and cut, that can be.
    full: bool,
}

/// All of it, or what fits into every run.
fn scale() -> Scale {
    match std::env::var("TIERMESH_FAULTS").as_deref() {
        Ok("full") => Scale { kills: 50, absence: Duration::from_secs(60), full: true },
        _ => Scale { kills: 5, absence: Duration::from_secs(12), full: false },
    }
}
