//! The place where a partition's queue is while it may be read: filled by who assigns it, emptied by who takes it away.
//!
//! librdkafka bounds each partition's queue and stops fetching when it is full, so a slow reader costs neither memory
//! nor the others' time.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rdkafka::{consumer::base_consumer::PartitionQueue, error::KafkaError, message::BorrowedMessage};
use tokio::sync::Notify;

use super::{
    batch::Batch,
    births,
    client::{Consumer, Context},
};
use crate::{record::Record, seam::LogError};

/// What is taken at once weighs no more than this and one record: a reader holds it twice at most.
const MOST_BYTES: usize = 4 << 20;

pub(super) struct Slot {
    state: Mutex<State>,
    /// Notified when there may be something to take.
    ready: Arc<Notify>,
    /// The offset after the last record taken.
    position: AtomicU64,
    /// What was taken last weighed so much.
    size: AtomicUsize,
}

enum State {
    /// Not assigned yet.
    Waiting,
    Open(PartitionQueue<Context>),
    Closed(LogError),
}

/// What was taken out of a queue.
pub(super) struct Taken<T = Record> {
    pub(super) records: Vec<T>,
    /// What came after the records.
    pub(super) error: Option<KafkaError>,
}

impl Slot {
    pub(super) fn new(from: u64) -> Arc<Self> {
        let ready = Arc::new(Notify::new());
        Arc::new(Self {
            state: Mutex::new(State::Waiting),
            ready,
            position: AtomicU64::new(from),
            size: AtomicUsize::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Takes the partition's queue out of the consumer's. To be done before the partition is assigned, or records that
    /// came before would be in the consumer's.
    pub(super) fn open(&self, consumer: &Arc<Consumer>, topic: &str, partition: u32) {
        let Some(mut queue) = consumer.split_partition_queue(topic, partition as i32) else {
            return self.close(LogError::NoSuchPartition { topic: topic.to_owned(), partition });
        };
        let ready = Arc::clone(&self.ready);
        queue.set_nonempty_callback(move || ready.notify_one());
        *self.state() = State::Open(queue);
        self.ready.notify_one();
    }

    /// Ends reading, and lets go of the consumer.
    pub(super) fn close(&self, why: LogError) {
        let mut state = self.state();
        if !matches!(*state, State::Closed(_)) {
            *state = State::Closed(why);
        }
        self.ready.notify_one();
    }

    /// Waits until there may be something to take.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Takes what is there, up to `max` records; headers of records that may be traced only, if so told.
    pub(super) fn take(&self, max: usize, skip_headers: bool) -> Result<Taken, LogError> {
        let mut batch = Batch::with_room(self.size.load(Ordering::Relaxed));
        let error = self.drain(max, |message| {
            if !births::is_birth(message) {
                batch.add(message, !skip_headers);
            }
        })?;
        if batch.size() > 0 {
            self.size.store(batch.size(), Ordering::Relaxed);
        }
        let records = batch.into_records();
        if let Some(last) = records.last() {
            self.position.store(last.offset + 1, Ordering::Relaxed);
        }
        Ok(Taken { records, error })
    }

    /// The same of a topic of others, whose records are read by `read`; what it gives nothing for is skipped.
    pub(super) fn take_as<T>(
        &self,
        max: usize,
        read: impl Fn(&BorrowedMessage<'_>) -> Option<T>,
    ) -> Result<Taken<T>, LogError> {
        let mut records = Vec::new();
        let error = self.drain(max, |message| records.extend(read(message)))?;
        Ok(Taken { records, error })
    }

    /// Hands over what is there, up to `max` messages and [`MOST_BYTES`]; the error that came behind them.
    fn drain(&self, max: usize, mut each: impl FnMut(&BorrowedMessage<'_>)) -> Result<Option<KafkaError>, LogError> {
        let state = self.state();
        let queue = match &*state {
            State::Waiting => return Ok(None),
            State::Open(queue) => queue,
            State::Closed(why) => return Err(why.clone()),
        };
        let mut bytes = 0;
        for _ in 0..max {
            match queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    each(&message);
                    bytes += message.key_len() + message.payload_len();
                }
                Some(Err(error)) => return Ok(Some(error)),
            }
            if bytes >= MOST_BYTES {
                break;
            }
        }
        Ok(None)
    }
}
