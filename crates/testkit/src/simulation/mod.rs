//! Simulation: a scenario is run under the schedules of thousands of seeds, and a schedule that fails is made small.
//!
//! A schedule is a list of operations, faults and the passing of time among them. A run depends on its list alone, so a
//! list that fails can be shortened, printed, and pinned as a test. What the operations do is the scenario's.

mod explore;
mod shrink;

use std::{
    any::Any,
    collections::BTreeMap,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
};

pub use explore::{Failure, Report, explore, seeds};
pub use shrink::shrink;

/// What is simulated.
pub trait Scenario: Sync {
    /// One step of a schedule.
    type Operation: Clone + Debug + Send + PartialEq;

    /// The schedule of a seed.
    fn plan(&self, seed: u64) -> Vec<Self::Operation>;

    /// Runs a schedule from an empty world to its verdict. The same operations give the same run.
    fn run(&self, operations: &[Self::Operation]) -> Run;

    /// Operations to try in place of this one, each simpler than it.
    fn simpler(&self, operation: &Self::Operation) -> Vec<Self::Operation>;
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What is wrong, if anything is.
    pub verdict: Result<(), String>,
    /// How often each kind of fault was taken: one that was planned and met nothing doesn't count.
    pub taken: BTreeMap<&'static str, u64>,
    /// A hash of all that was written: equal for equal runs.
    pub trace: u64,
}

/// Runs a schedule; a panic is a verdict too.
pub fn attempt<S: Scenario>(scenario: &S, operations: &[S::Operation]) -> Run {
    let run = catch_unwind(AssertUnwindSafe(|| scenario.run(operations)));
    run.unwrap_or_else(|panic| Run {
        verdict: Err(format!("panicked: {}", message(&*panic))),
        taken: BTreeMap::new(),
        trace: 0,
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
