//! Saves, written behind: one at a time, repeated while the database is away, given up when another owner took over.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tiermesh_store::{Position, SaveStore, Segment, StoreError, Tenure};
use tokio::{task::JoinHandle, time::Instant};
use tracing::warn;

/// When deltas have grown to so many times the snapshot, the next save is a snapshot.
const DELTAS_PER_SNAPSHOT: usize = 2;

pub(crate) struct Saver {
    store: SaveStore,
    tenure: Tenure,
    writing: Option<JoinHandle<Result<(), StoreError>>>,
    began: Instant,
    snapshot_bytes: usize,
    delta_bytes: usize,
}

impl Saver {
    pub(crate) fn new(store: SaveStore, tenure: Tenure, saved_bytes: (usize, usize)) -> Self {
        Self {
            store,
            tenure,
            writing: None,
            began: Instant::now(),
            snapshot_bytes: saved_bytes.0,
            delta_bytes: saved_bytes.1,
        }
    }

    /// Whether the next segment is to be a snapshot.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.snapshot_bytes == 0 || self.delta_bytes > self.snapshot_bytes * DELTAS_PER_SNAPSHOT
    }

    /// Whether a save is being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Begins to write a save. The one before must be done.
    pub(crate) fn begin(&mut self, position: Position, segment: Segment) {
        match &segment {
            Segment::Snapshot(bytes) => (self.snapshot_bytes, self.delta_bytes) = (bytes.len(), 0),
            Segment::Delta(bytes) => self.delta_bytes += bytes.len(),
        }
        let (store, tenure) = (self.store.clone(), self.tenure.clone());
        self.began = Instant::now();
        self.writing = Some(tokio::spawn(async move {
            let write = || {
                let (store, tenure) = (store.clone(), tenure.clone());
                let (position, segment) = (position.clone(), segment.clone());
                async move { store.write(&tenure, &position, segment).await }
            };
            write
                .retry(backoff())
                .when(|error| matches!(error, StoreError::Unavailable(_)))
                .notify(|error, after| {
                    let (service, partition) = (tenure.processor.as_str(), tenure.partition);
                    warn!(service, partition, %error, retry_in = ?after, "a save can't be written");
                })
                .await
        }));
    }

    /// Waits until the save that is being written, if any, is done; how long it took. Cancel-safe.
    pub(crate) async fn done(&mut self) -> Result<Option<Duration>, StoreError> {
        let Some(writing) = &mut self.writing else { return Ok(None) };
        let outcome = writing.await;
        self.writing = None;
        match outcome {
            Ok(result) => result.map(|()| Some(self.began.elapsed())),
            Err(error) => Err(StoreError::Unavailable(format!("writing a save was cut off: {error}"))),
        }
    }
}

/// Gives up what is being written: whoever let go of the partition before it was done doesn't own it any more.
impl Drop for Saver {
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            writing.abort();
        }
    }
}

fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times()
}
