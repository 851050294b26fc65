//! Whoever listens to `tier.changes`: how long one of its partitions stood still at most, and how soon after a fault all of
//! them went on.
#![allow(clippy::disallowed_methods, reason = "a stopwatch, which decides nothing")]

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tiermesh_event_log::{EventLog, topics::TIER_CHANGES};
use tokio::runtime::Runtime;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The feed as its length shows it.
pub(super) struct Feed {
    seen: Arc<Mutex<Seen>>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Seen {
    /// How long each partition is, and when it grew.
    partitions: Vec<(u64, Instant)>,
    longest: Duration,
    /// When the fault was over.
    over: Option<Instant>,
    /// How long after that the last partition so far went on.
    went_on: Duration,
}

impl Feed {
    /// Begins to look.
    pub(super) fn watch(log: Arc<dyn EventLog>) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let told = Arc::clone(&seen);
        runtime.spawn(async move {
            loop {
                // While the log doesn't answer, nobody hears anything.
                if let Some(lengths) = lengths(&*log).await {
                    lock(&told).note(&lengths);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { seen, runtime: Some(runtime) }
    }

    /// Forgets how long it stood still so far.
    pub(super) fn begin(&self) {
        let mut seen = lock(&self.seen);
        (seen.longest, seen.over) = (Duration::ZERO, None);
        seen.partitions.iter_mut().for_each(|(_, grew)| *grew = Instant::now());
    }

    /// The fault is over.
    pub(super) fn over(&self) {
        let mut seen = lock(&self.seen);
        (seen.over, seen.went_on) = (Some(Instant::now()), Duration::ZERO);
    }

    /// How long after the fault was over until every partition had gone on; nothing as long as one hasn't.
    pub(super) fn went_on_after(&self) -> Option<Duration> {
        let seen = lock(&self.seen);
        let over = seen.over?;
        let grew = seen.partitions.iter().map(|(_, grew)| *grew).min()?;
        (grew > over).then_some(seen.went_on)
    }

    /// How many records each partition has.
    pub(super) fn lengths(&self) -> Vec<u64> {
        lock(&self.seen).partitions.iter().map(|(length, _)| *length).collect()
    }

    /// How many records it has.
    pub(super) fn length(&self) -> u64 {
        self.lengths().iter().sum()
    }

    /// How long a partition stood still at most, before it went on.
    pub(super) fn longest(&self) -> Duration {
        lock(&self.seen).longest
    }
}

impl Seen {
    fn note(&mut self, lengths: &[u64]) {
        self.partitions.resize_with(lengths.len(), || (0, Instant::now()));
        for ((known, grew), length) in self.partitions.iter_mut().zip(lengths) {
            if length > known {
                let now = Instant::now();
                self.longest = self.longest.max(now - *grew);
                if let Some(over) = self.over.filter(|over| *grew <= *over) {
                    self.went_on = self.went_on.max(now - over);
                }
                (*known, *grew) = (*length, now);
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn lengths(log: &dyn EventLog) -> Option<Vec<u64>> {
    let mut lengths = Vec::new();
    for partition in 0..log.partitions(TIER_CHANGES.name).await.ok()? {
        lengths.push(log.extent(TIER_CHANGES.name, partition).await.ok()?.end);
    }
    Some(lengths)
}
