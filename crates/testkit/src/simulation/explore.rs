//! Seed after seed, on all cores, until one fails.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug, Display, Formatter},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{available_parallelism, scope},
};

use super::{Scenario, attempt, shrink};

/// How many seeds a test runs: `TIERMESH_SEEDS`, or so many.
///
/// # Panics
/// If the variable is not a number.
pub fn seeds(unless_said_otherwise: u64) -> u64 {
    match std::env::var("TIERMESH_SEEDS") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("TIERMESH_SEEDS is `{text}`: expected a number")),
        Err(_) => unless_said_otherwise,
    }
}

/// What the seeds came to.
#[derive(Debug, Clone)]
pub struct Report<O> {
    /// How many were run.
    pub runs: u64,
    /// How often each kind of fault was taken.
    pub taken: BTreeMap<&'static str, u64>,
    /// The first that failed.
    pub failure: Option<Failure<O>>,
}

/// A schedule that fails, made small.
#[derive(Debug, Clone)]
pub struct Failure<O> {
    /// Its seed.
    pub seed: u64,
    /// What the smallest list came to.
    pub reason: String,
    /// The smallest list found.
    pub operations: Vec<O>,
}

/// Runs the seeds `0..count`. Stops at the first that fails and makes its schedule small.
pub fn explore<S: Scenario>(scenario: &S, count: u64) -> Report<S::Operation> {
    let next = AtomicU64::new(0);
    let failed = AtomicU64::new(u64::MAX);
    let total = Mutex::new((0, BTreeMap::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            // A seed below one that failed is run to its end: which one is reported doesn't depend on the threads.
            if seed >= count || seed > failed.load(Ordering::Relaxed) {
                return;
            }
            let run = attempt(scenario, &scenario.plan(seed));
            if run.verdict.is_err() {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.0 += 1;
            for (kind, times) in run.taken {
                *total.1.entry(kind).or_default() += times;
            }
        }
    };
    scope(|threads| (0..available_parallelism().map_or(2, usize::from)).for_each(|_| _ = threads.spawn(work)));
    let (runs, taken) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seed = failed.into_inner();
    let failure = (seed < count).then(|| {
        let (operations, reason) = shrink(scenario, scenario.plan(seed));
        Failure { seed, reason, operations }
    });
    Report { runs, taken, failure }
}

impl<O: Debug> Display for Failure<O> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.reason)?;
        writeln!(f, "the smallest list found that fails ({} operations), to be pinned:", self.operations.len())?;
        self.operations.iter().try_for_each(|operation| writeln!(f, "    {operation:?},"))
    }
}

impl<O: Debug> Display for Report<O> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} seeds; taken:", self.runs)?;
        self.taken.iter().try_for_each(|(kind, times)| writeln!(f, "  {times:>9}  {kind}"))?;
        self.failure.iter().try_for_each(|failure| write!(f, "{failure}"))
    }
}
