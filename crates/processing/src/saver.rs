//! Saves, written behind while folding goes on: one at a time, only once all that its state said is in the log, repeated
//! while the database is away, given up when another owner took over.

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use tiermesh_service_host::Health;
use tiermesh_store::{OutputEnd, Position, SaveStore, Segment, StoreError, Tenure};
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle},
    time::Instant,
};
use tracing::warn;

use crate::{cpu_time::measured, engine::PackedState, error::RunError, off_thread::off_thread};

pub(crate) struct Saver {
    store: SaveStore,
    tenure: Tenure,
    health: Health,
    writing: Option<Writing>,
    segments: Segments,
}

/// A save that isn't written yet.
struct Writing {
    /// Told where the outputs end, once all that the state said is there.
    arrived: Option<oneshot::Sender<Vec<OutputEnd>>>,
    /// How many entries of the outbox that is.
    entries: u64,
    task: JoinHandle<Result<Option<Written>, RunError>>,
}

/// A save that was written.
pub(crate) struct Written {
    /// What compressing cost.
    pub(crate) compressing: Duration,
    /// How long writing took.
    pub(crate) writing: Duration,
    /// How large its segment is.
    pub(crate) bytes: usize,
}

impl Saver {
    /// For a partition whose save has so many segments.
    pub(crate) fn new(store: SaveStore, tenure: Tenure, health: Health, segments: usize) -> Self {
        Self { store, tenure, health, writing: None, segments: Segments { all: segments as u64, of_round: 0 } }
    }

    /// Whether a save isn't written yet.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Begins a save of state that was just packed, and that has put so many entries into the outbox. The one before must
    /// be done. The position's outputs are told later.
    pub(crate) fn begin(&mut self, state: PackedState, position: Position, entries: u64) {
        let keep = self.segments.add(state.round_complete);
        let (store, tenure, health) = (self.store.clone(), self.tenure.clone(), self.health.clone());
        let (arrived, outputs) = oneshot::channel();
        let task = tokio::spawn(async move {
            let (bytes, compressing) = off_thread(move || measured(|| state.compress())).await?;
            // Nobody is left who would say: the partition was given up.
            let Ok(outputs) = outputs.await else { return Ok(None) };
            let (began, size) = (Instant::now(), bytes.len());
            write(&store, &tenure, &health, &Position { outputs, ..position }, &Segment { bytes, keep }).await?;
            Ok(Some(Written { compressing, writing: began.elapsed(), bytes: size }))
        });
        self.writing = Some(Writing { arrived: Some(arrived), entries, task });
    }

    /// So many entries of the outbox are in the log, with which the outputs end there. The save is written once these are
    /// all that its state said: to be called for each entry, so that the ends are those of the save's own.
    pub(crate) fn arrived(&mut self, entries: u64, outputs: &[OutputEnd]) {
        if let Some(writing) = &mut self.writing
            && entries >= writing.entries
            && let Some(arrived) = writing.arrived.take()
        {
            // Its task is gone already: then its end says so.
            let _ = arrived.send(outputs.to_vec());
        }
    }

    /// Waits until the save is written. Not to be called without one. Cancel-safe.
    ///
    /// # Errors
    /// It can't be written: another owner took over, or it was cut off.
    pub(crate) async fn done(&mut self) -> Result<Option<Written>, RunError> {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let outcome = (&mut writing.task).await;
        self.writing = None;
        outcome.unwrap_or_else(|error| Err(cut_off(&error)))
    }
}

/// Gives up what is being written: whoever let go of the partition before it was done doesn't own it any more.
impl Drop for Saver {
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            writing.task.abort();
        }
    }
}

/// How many segments a save has.
///
/// In a round of deltas everything is packed once. Until a round is complete its segments stand beside those of the last
/// complete one; then the others can go.
#[derive(Debug, Clone, Copy)]
struct Segments {
    all: u64,
    /// Since the last complete round.
    of_round: u64,
}

impl Segments {
    /// Adds one; how many of those before it are needed.
    fn add(&mut self, round_complete: bool) -> u64 {
        let keep = if round_complete { self.of_round } else { self.all };
        self.of_round = if round_complete { 0 } else { self.of_round + 1 };
        self.all = keep + 1;
        keep
    }
}

/// Writes it, however long the database is away.
fn write(
    store: &SaveStore,
    tenure: &Tenure,
    health: &Health,
    position: &Position,
    segment: &Segment,
) -> impl Future<Output = Result<(), StoreError>> {
    let (service, partition) = (tenure.processor.as_str(), tenure.partition);
    let mut trouble = None;
    let write = move || store.write(tenure, position, segment.clone());
    write.retry(backoff(u64::from(partition))).when(|error| matches!(error, StoreError::Unavailable(_))).notify(
        move |error, after| {
            warn!(service, partition, %error, retry_in = ?after, "a save can't be written");
            // Held until it can be, which drops this.
            drop(trouble.replace(
                health.trouble(format!("{service}: partition {partition}: a save can't be written: {error}")),
            ));
        },
    )
}

fn backoff(seed: u64) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times()
}

fn cut_off(error: &JoinError) -> RunError {
    RunError::Store(StoreError::Unavailable(format!("writing a save was cut off: {error}")))
}

#[cfg(test)]
mod tests {
    use super::Segments;

    #[test]
    fn segments_of_the_last_complete_round_stay_until_the_next_is_complete() {
        let mut segments = Segments { all: 0, of_round: 0 };
        let complete = [false, false, true, false, true, true, true, false];
        assert_eq!(complete.map(|complete| segments.add(complete)), [0, 1, 2, 3, 1, 0, 0, 1]);
        // A new owner begins a round of its own behind what it found.
        let mut segments = Segments { all: 5, of_round: 0 };
        assert_eq!([false, false, true].map(|complete| segments.add(complete)), [5, 6, 2]);
    }
}
