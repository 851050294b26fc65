//! Faults on the real thing: Kafka, PostgreSQL, a process for each service, under load. Whatever is killed, frozen, cut
//! off, filled up or written over: everything accepted is in the log, what is said is what an undisturbed fold says, once,
//! each fault leaves a line in a log that an operator understands, and `tiermesh doctor` names it while it lasts.
//!
//! `TIERMESH_FAULTS=full cargo test -p tiermesh --test mesh faults -- --nocapture --test-threads=1` runs all of it; without
//! the variable, a part that fits into every run. `TIERMESH_FAULT_ROUNDS` says how often each service is killed, if not 50
//! times (1 in a part). What happened is told in `target/faults/report.md`.

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
    /// How often each service is killed.
    rounds: usize,
    /// How long a server stays away.
    absence: Duration,
    /// Whether everything is frozen, and cut, that can be.
    full: bool,
}

/// All of it, or what fits into every run.
fn scale() -> Scale {
    let full = std::env::var("TIERMESH_FAULTS").is_ok_and(|value| value == "full");
    let (rounds, absence) = if full { (50, 60) } else { (1, 5) };
    let asked = std::env::var("TIERMESH_FAULT_ROUNDS").ok();
    let rounds = asked.map_or(rounds, |asked| asked.parse().expect("TIERMESH_FAULT_ROUNDS is a number"));
    Scale { rounds, absence: Duration::from_secs(absence), full }
}
