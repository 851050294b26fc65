//! The place where a partition's queue is while it may be read: filled by who assigns it, emptied by who takes it away.
//!
//! librdkafka bounds each partition's queue and stops fetching when it is full, so a slow reader costs neither memory
//! nor the others' time.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rdkafka::{
    Message,
    consumer::base_consumer::PartitionQueue,
    error::KafkaError,
    message::{BorrowedMessage, Headers},
};
use tokio::sync::Notify;

use super::{
    births,
    client::{Consumer, Context},
};
use crate::{
    record::{Header, Record},
    seam::LogError,
};

pub(super) struct Slot {
    state: Mutex<State>,
    /// Notified when there may be something to take.
    ready: Arc<Notify>,
    /// The offset after the last record taken.
    position: AtomicU64,
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
        Arc::new(Self { state: Mutex::new(State::Waiting), ready, position: AtomicU64::new(from) })
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

    /// Takes what is there, up to `max` records.
    pub(super) fn take(&self, max: usize) -> Result<Taken, LogError> {
        let ours = |message: &BorrowedMessage<'_>| births::log_id(message).is_none().then(|| record(message));
        let taken = self.take_as(max, ours)?;
        if let Some(last) = taken.records.last() {
            self.position.store(last.offset + 1, Ordering::Relaxed);
        }
        Ok(taken)
    }

    /// The same of a topic of others, whose records are read by `read`; what it gives nothing for is skipped.
    pub(super) fn take_as<T>(
        &self,
        max: usize,
        read: impl Fn(&BorrowedMessage<'_>) -> Option<T>,
    ) -> Result<Taken<T>, LogError> {
        let mut taken = Taken { records: Vec::new(), error: None };
        let state = self.state();
        let queue = match &*state {
            State::Waiting => return Ok(taken),
            State::Open(queue) => queue,
            State::Closed(why) => return Err(why.clone()),
        };
        while taken.records.len() < max {
            match queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => taken.records.extend(read(&message)),
                Some(Err(error)) => {
                    taken.error = Some(error);
                    break;
                }
            }
        }
        Ok(taken)
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let bytes = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice).unwrap_or_default();
    let header = |header: rdkafka::message::Header<'_, &[u8]>| Header {
        name: header.key.to_owned(),
        // Ours are UTF-8; those of others are not a reason to stop.
        value: String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned(),
    };
    Record {
        offset: message.offset() as u64,
        key: bytes(message.key()),
        value: bytes(message.payload()),
        headers: message.headers().map(|headers| headers.iter().map(header).collect()).unwrap_or_default(),
    }
}
