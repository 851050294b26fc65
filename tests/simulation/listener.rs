//! A consumer with marks, as notification is one: it does something outside of its store, and notes it with its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tiermesh_event_log::{
    Record,
    topics::{CHURN_SIGNALS, TIER_CHANGES},
};
use tiermesh_processing::{Batch, ConsumeError, Consumer, Place};
use tiermesh_store::{MemoryStore, SaveStore, Step, StoreError};

use crate::{gate::Gate, operation::Call};

pub(crate) const LISTENER: &str = "listener";

/// What listeners of all processes did, and what they handed to the store. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    inner: Arc<Mutex<Inner>>,
}

/// A topic, its partition, and the offsets of a batch: where it began, and where its end is.
type Stretch = (String, u32, u64, u64);

#[derive(Debug, Default)]
struct Inner {
    /// Sent outside, under an id that its receiver knows again.
    done: BTreeSet<(String, String)>,
    /// What went along with a move of the place. Only what was moved counts.
    handed: BTreeMap<Stretch, Vec<Record>>,
    /// How often something was done that had been done before.
    repeated: u64,
    wrong: Vec<String>,
}

impl Heard {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was noted of a partition, in order: of all that was handed over what went along with a move that was made.
    pub(crate) fn noted(&self, store: &MemoryStore, topic: &str, partition: u32) -> Vec<Record> {
        let inner = self.inner();
        let moves = store.moves().into_iter();
        let moves =
            moves.filter(|made| made.consumer == LISTENER && made.topic == topic && made.partition == partition);
        let handed =
            |(from, to)| inner.handed.get(&(topic.to_owned(), partition, from, to)).cloned().unwrap_or_default();
        moves.flat_map(|made| handed((made.from, made.to))).collect()
    }

    /// The ids of what was done about records of a topic.
    pub(crate) fn done(&self, topic: &str) -> BTreeSet<String> {
        self.inner().done.iter().filter(|(of, _)| of == topic).map(|(_, id)| id.clone()).collect()
    }

    pub(crate) fn repeated(&self) -> u64 {
        self.inner().repeated
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.inner().wrong.clone()
    }
}

/// The consumer in one process.
pub(crate) struct Listener {
    pub(crate) store: SaveStore,
    pub(crate) gate: Arc<Gate>,
    pub(crate) heard: Heard,
}

#[async_trait]
impl Consumer for Listener {
    fn name(&self) -> &'static str {
        LISTENER
    }

    fn topics(&self) -> Vec<&'static str> {
        vec![TIER_CHANGES.name, CHURN_SIGNALS.name]
    }

    async fn place(&self, topic: &str, partition: u32) -> Result<Option<Place>, StoreError> {
        self.store.place(LISTENER, topic, partition).await
    }

    async fn take(&self, batch: Batch) -> Result<(), ConsumeError> {
        let Batch { topic, partition, before, after, records } = batch;
        for record in &records {
            self.gate.pass(&[Call::Do], false).await;
            let id = record.header("ce_id").unwrap_or_default().to_owned();
            {
                let mut heard = self.heard.inner();
                if !heard.done.insert((format!("{topic}/{partition}"), id)) {
                    heard.repeated += 1;
                }
            }
            self.gate.pass(&[Call::Do], true).await;
        }
        {
            let mut heard = self.heard.inner();
            let from = before.as_ref().map_or(0, |place| place.next_offset);
            let stretch = (topic.to_owned(), partition, from, after.next_offset);
            let earlier = heard.handed.insert(stretch.clone(), records.clone());
            if earlier.is_some_and(|earlier| earlier != records) {
                heard.wrong.push(format!("two listeners made different things of {stretch:?}"));
            }
        }
        let step = Step { consumer: LISTENER, topic, partition, before: before.as_ref(), after: &after };
        Ok(self.store.advance(step).await?)
    }
}
