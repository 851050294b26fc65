//! What a partition says, on its way into the log: handed over in the order of its numbers, and known to be there in that
//! same order.
//!
//! Bounded: the partition reads nothing more while something waits to be handed over, or while too much is on its way.

use std::{collections::VecDeque, future::ready, sync::Arc};

use futures::future::BoxFuture;
use tiermesh_event_log::{Ack, LogError, NewRecord, Producer};

/// How many entries may be on their way.
const MOST_ON_THEIR_WAY: usize = 1_000;

pub(crate) struct Outbox {
    producer: Arc<dyn Producer>,
    waiting: VecDeque<Entry>,
    /// The producer may keep one waiting until it has room.
    handing_over: Option<BoxFuture<'static, Result<OnItsWay, LogError>>>,
    on_their_way: VecDeque<OnItsWay>,
    /// How many entries were put in, and how many of these, from the first on, are in the log.
    put: u64,
    arrived: u64,
}

struct Entry {
    /// Which of the partition's outputs.
    at: usize,
    what: What,
}

enum What {
    Records {
        topic: String,
        partition: u32,
        records: Vec<NewRecord>,
    },
    /// A former owner sent it: it stands before the record at this offset, or there.
    Known(u64),
}

struct OnItsWay {
    at: usize,
    ack: Ack,
}

/// An entry that is in the log.
pub(crate) struct Arrived {
    /// Which of the partition's outputs.
    pub(crate) at: usize,
    /// The offset of its last record.
    pub(crate) offset: u64,
}

impl Outbox {
    pub(crate) fn new(producer: Arc<dyn Producer>) -> Self {
        let (waiting, on_their_way) = Default::default();
        Self { producer, waiting, handing_over: None, on_their_way, put: 0, arrived: 0 }
    }

    /// Sends records to an output, behind all that was put in before.
    pub(crate) fn put(&mut self, at: usize, topic: &str, partition: u32, records: Vec<NewRecord>) {
        self.add(Entry { at, what: What::Records { topic: topic.to_owned(), partition, records } });
    }

    /// Notes in its place what is known to stand in an output up to that offset.
    pub(crate) fn put_known(&mut self, at: usize, offset: u64) {
        self.add(Entry { at, what: What::Known(offset) });
    }

    fn add(&mut self, entry: Entry) {
        self.put += 1;
        self.waiting.push_back(entry);
    }

    /// How many entries were put in so far.
    pub(crate) fn put_so_far(&self) -> u64 {
        self.put
    }

    /// How many of them, from the first on, are in the log.
    pub(crate) fn arrived_so_far(&self) -> u64 {
        self.arrived
    }

    /// Whether all are.
    pub(crate) fn is_empty(&self) -> bool {
        self.put == self.arrived
    }

    /// Whether nothing more should be put in for now.
    pub(crate) fn is_full(&self) -> bool {
        !self.waiting.is_empty() || self.handing_over.is_some() || self.on_their_way.len() >= MOST_ON_THEIR_WAY
    }

    /// Waits until the next entry, in their order, is in the log; or, with nothing, until one was handed over. Not to be
    /// called on an empty one. Cancel-safe.
    ///
    /// # Errors
    /// A delivery failed: the producer is of no more use.
    pub(crate) async fn next(&mut self) -> Result<Option<Arrived>, LogError> {
        if self.handing_over.is_none()
            && let Some(entry) = self.waiting.pop_front()
        {
            self.handing_over = Some(Box::pin(hand_over(Arc::clone(&self.producer), entry)));
        }
        tokio::select! {
            biased;
            handed_over = pending_or(self.handing_over.as_mut()) => {
                self.handing_over = None;
                self.on_their_way.push_back(handed_over?);
                Ok(None)
            }
            offset = pending_or(self.on_their_way.front_mut().map(|first| &mut first.ack)) => {
                let (first, offset) = (self.on_their_way.pop_front(), offset?);
                self.arrived += 1;
                Ok(first.map(|first| Arrived { at: first.at, offset }))
            }
        }
    }
}

async fn hand_over(producer: Arc<dyn Producer>, entry: Entry) -> Result<OnItsWay, LogError> {
    let Entry { at, what } = entry;
    let ack: Ack = match what {
        What::Records { topic, partition, records } => producer.send(&topic, partition, records).await?,
        What::Known(offset) => Box::pin(ready(Ok(offset))),
    };
    Ok(OnItsWay { at, ack })
}

async fn pending_or<F: Future + Unpin>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
