//! Reads one partition: from memory near the end, from the file before.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{EmbeddedLog, cache::Chunk, codec, partition::Partition, sql};
use crate::{
    record::Record,
    seam::{LogError, PartitionReader},
    topics::CUSTOMER_EVENTS,
};

/// How soon a process that does not own the log looks for more, and how rarely while nothing comes.
const LOOK_AFTER: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(200));

pub(super) struct Reader {
    log: EmbeddedLog,
    partition: Arc<Partition>,
    ends: watch::Receiver<u64>,
    /// The offset of the next record.
    next: u64,
    /// What was fetched; the first holds `next`, and starts with the record `base`.
    chunks: VecDeque<Chunk>,
    /// Headers are wanted of records that may be traced only.
    skip_headers: bool,
}

impl Reader {
    pub(super) fn open(log: EmbeddedLog, partition: Arc<Partition>, from: u64) -> Result<Self, LogError> {
        let end = partition.end();
        if from > end {
            let topic = partition.topic.clone();
            return Err(LogError::OutOfRange { topic, partition: partition.number, offset: from, start: 0, end });
        }
        let ends = partition.ends();
        Ok(Self { log, partition, ends, next: from.max(1), chunks: VecDeque::new(), skip_headers: false })
    }

    /// Takes up to `max` records out of what was fetched.
    fn take(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        let there: u64 = self.chunks.iter().map(|chunk| chunk.count).sum();
        let mut records = Vec::with_capacity(max.min(there as usize));
        while let Some(chunk) = self.chunks.front_mut() {
            while chunk.count > 0 && records.len() < max {
                let record = codec::decode(&mut chunk.raw, chunk.base, !self.skip_headers)
                    .map_err(|what| self.partition.corrupt(chunk.base, what))?;
                chunk.base += 1;
                chunk.count -= 1;
                // A fetch begins with a whole batch, which may begin before the record that is wanted.
                if record.offset >= self.next {
                    self.next = record.offset + 1;
                    records.push(record);
                }
            }
            if chunk.count > 0 {
                break;
            }
            self.chunks.pop_front();
        }
        Ok(records)
    }

    /// Fetches what follows, and waits until there is something.
    async fn fetch(&mut self) -> Result<(), LogError> {
        let owner = self.log.shared.writer.is_some();
        let next = self.next;
        if owner {
            self.ends.wait_for(|end| *end > next).await.map_err(|_| LogError::Closed)?;
            self.chunks = self.partition.cached(next);
            if !self.chunks.is_empty() {
                return Ok(());
            }
        }
        let mut look_after = LOOK_AFTER.0;
        loop {
            let chunks = self.load().await?;
            match chunks.front() {
                Some(first) if first.base <= next => {
                    self.chunks = chunks;
                    return Ok(());
                }
                None if !owner => {
                    tokio::time::sleep(look_after).await;
                    look_after = (look_after * 2).min(LOOK_AFTER.1);
                }
                _ => return Err(self.partition.corrupt(next, "the record is missing")),
            }
        }
    }

    async fn load(&self) -> Result<VecDeque<Chunk>, LogError> {
        let unavailable = sql::unavailable(&self.log.shared.file);
        let mut connection = self.log.shared.readers.acquire().await.map_err(&unavailable)?;
        let rows = sql::batches(&mut connection, self.partition.id, self.next).await.map_err(&unavailable)?;
        let chunk = |row: sql::BatchRow| {
            let raw = codec::unseal(row.base, row.count, &row.bytes)
                .map_err(|what| self.partition.corrupt(row.base, what))?;
            Ok(Chunk { base: row.base, count: row.count, raw })
        };
        rows.into_iter().map(chunk).collect()
    }
}

#[async_trait]
impl PartitionReader for Reader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        loop {
            let records = self.take(max.max(1))?;
            if !records.is_empty() {
                return Ok(records);
            }
            self.fetch().await?;
        }
    }

    fn skip_headers(&mut self) {
        self.skip_headers = self.partition.topic == CUSTOMER_EVENTS.name;
    }
}
