//! Group commit: all that was queued becomes one transaction, with one answer.

use std::{collections::BTreeMap, sync::Arc};

use sqlx::SqliteConnection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    cache::Chunk,
    codec,
    partition::{Catalog, Partition},
    sql,
};
use crate::{poison::Poison, seam::LogError};

/// A queued `send`.
pub(super) struct Append {
    pub(super) partition: Arc<Partition>,
    pub(super) raw: Vec<u8>,
    pub(super) count: u64,
    pub(super) poison: Arc<Poison>,
    pub(super) ack: oneshot::Sender<Result<u64, LogError>>,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What a row holds at most, unless one `send` is larger: a reader takes a row at a time.
const ROW_BYTES: usize = 512 << 10;

/// The new rows of one partition.
struct Growth {
    partition: Arc<Partition>,
    chunks: Vec<Chunk>,
    /// The row that is being filled.
    raw: Vec<u8>,
    base: u64,
    end: u64,
}

impl Growth {
    fn new(partition: Arc<Partition>) -> Self {
        let end = partition.end();
        Self { partition, chunks: Vec::new(), raw: Vec::new(), base: end, end }
    }

    /// Adds a `send`, and returns the offset of its last record.
    fn add(&mut self, raw: &[u8], count: u64) -> u64 {
        if !self.raw.is_empty() && self.raw.len() + raw.len() > ROW_BYTES {
            self.finish_row();
        }
        self.raw.extend_from_slice(raw);
        self.end += count;
        self.end - 1
    }

    fn finish_row(&mut self) {
        if self.end > self.base {
            let raw = std::mem::take(&mut self.raw).into();
            self.chunks.push(Chunk { base: self.base, count: self.end - self.base, raw });
            self.base = self.end;
        }
    }
}

/// Writes them all and acknowledges them, or none of them and poisons their producers.
pub(super) async fn commit(connection: &mut SqliteConnection, catalog: &Catalog, appends: Vec<Append>) {
    let mut growths: BTreeMap<i64, Growth> = BTreeMap::new();
    let mut acks = Vec::with_capacity(appends.len());
    for append in appends {
        // What a producer queued after its failure must not be written: there would be a gap before it.
        if let Err(error) = append.poison.check() {
            let _ = append.ack.send(Err(error));
            continue;
        }
        let growth = growths.entry(append.partition.id).or_insert_with(|| Growth::new(Arc::clone(&append.partition)));
        let last = growth.add(&append.raw, append.count);
        acks.push((append, last));
    }
    let mut growths: Vec<Growth> = growths.into_values().collect();
    growths.iter_mut().for_each(Growth::finish_row);
    if growths.is_empty() {
        return;
    }
    match write(connection, &growths).await {
        Ok(()) => {
            for growth in growths {
                growth.chunks.into_iter().for_each(|chunk| growth.partition.publish(chunk));
            }
            for (append, last) in acks {
                let _ = append.ack.send(Ok(last));
            }
        }
        Err(error) => {
            tracing::error!("the log can't be written: {error}");
            for (append, _) in acks {
                append.poison.poison(format!("the log can't be written: {error}"));
                let _ = append.ack.send(append.poison.check().map(|()| 0));
            }
            // Whether a failed commit stands is for the file to say. If it can't, the next insert at an offset that is
            // taken fails too.
            if let Err(error) = catalog.load(connection).await {
                tracing::error!("the log can't be read: {error}");
            }
        }
    }
}

async fn write(connection: &mut SqliteConnection, growths: &[Growth]) -> Result<(), sqlx::Error> {
    let mut batches = Vec::new();
    for growth in growths {
        for Chunk { base, count, raw } in &growth.chunks {
            let bytes = codec::seal(*base, *count, raw)?;
            batches.push((growth.partition.id, sql::BatchRow { base: *base, count: *count, bytes }));
        }
    }
    sql::atomically(connection, async |connection| sql::insert(connection, batches).await).await
}
