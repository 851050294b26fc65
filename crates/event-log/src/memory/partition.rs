//! One partition in memory, and how it is read.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    record::{LogId, NewRecord, Record},
    seam::{Extent, LogError, PartitionReader},
};

#[derive(Debug)]
pub(super) struct Partition {
    topic: String,
    number: u32,
    log_id: LogId,
    held: Mutex<Held>,
    /// Fires when records came. Wakes readers in the order in which they began to wait: simulation repeats itself.
    grown: Notify,
    /// Fires when another log took this one's place.
    replaced: CancellationToken,
}

#[derive(Debug)]
struct Held {
    /// First offset held.
    start: u64,
    /// The offset after the last record.
    end: u64,
    /// The records of data from `start` on.
    records: VecDeque<Record>,
}

impl Partition {
    pub(super) fn new(topic: &str, number: u32) -> Self {
        Self {
            topic: topic.to_owned(),
            number,
            log_id: LogId::random(),
            // The birth record, which is not kept, has offset 0.
            held: Mutex::new(Held { start: 0, end: 1, records: VecDeque::new() }),
            grown: Notify::new(),
            replaced: CancellationToken::new(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.held().records.iter().cloned().collect()
    }

    pub(super) fn extent(&self) -> Extent {
        let held = self.held();
        Extent { log_id: self.log_id.clone(), start: held.start, end: held.end }
    }

    /// Appends, and returns the offset of the last record.
    pub(super) fn append(&self, records: &[NewRecord]) -> u64 {
        let mut held = self.held();
        let first = held.end;
        held.records.extend((first..).zip(records).map(|(offset, record)| Record {
            offset,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
        }));
        held.end += records.len() as u64;
        self.grown.notify_waiters();
        held.end - 1
    }

    /// Removes the records before `offset`, as retention does.
    pub(super) fn cut(&self, offset: u64) {
        let mut held = self.held();
        let start = offset.min(held.end).max(held.start);
        held.records.retain(|record| record.offset >= start);
        held.start = start;
    }

    pub(super) fn replaced(&self) {
        self.replaced.cancel();
    }

    fn out_of_range(&self, offset: u64) -> LogError {
        let Extent { start, end, .. } = self.extent();
        LogError::OutOfRange { topic: self.topic.clone(), partition: self.number, offset, start, end }
    }
}

pub(super) struct Reader {
    partition: Arc<Partition>,
    next: u64,
}

impl Reader {
    pub(super) fn open(partition: Arc<Partition>, from: u64) -> Result<Self, LogError> {
        let extent = partition.extent();
        let next = from.max(1);
        if next < extent.start || next > extent.end {
            return Err(partition.out_of_range(from));
        }
        Ok(Self { partition, next })
    }
}

#[async_trait]
impl PartitionReader for Reader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        let next = self.next;
        loop {
            // Made before looking: it hears of whatever comes after.
            let grown = self.partition.grown.notified();
            if self.partition.replaced.is_cancelled() {
                return Err(self.partition.out_of_range(next));
            }
            if self.partition.held().end > next {
                break;
            }
            tokio::select! {
                biased;
                () = self.partition.replaced.cancelled() => {}
                () = grown => {}
            }
        }
        let held = self.partition.held();
        let first = held.start.max(1);
        let Some(skip) = next.checked_sub(first) else {
            drop(held);
            return Err(self.partition.out_of_range(next));
        };
        let records: Vec<Record> = held.records.iter().skip(skip as usize).take(max.max(1)).cloned().collect();
        self.next += records.len() as u64;
        Ok(records)
    }
}
