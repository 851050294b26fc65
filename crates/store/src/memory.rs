//! The store in memory, for simulation: saves, places and a clock that a test sets, and somebody who may stand between.
//!
//! It has what folds, consumers and ingest's control keeper need; whatever else is asked of it fails.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::database::{Pool, SaveStore};
use crate::error::StoreError;
use crate::place::{Place, Step};
use crate::positions::Standing;
use crate::save::{Position, Save, Segment, Tenure};

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreCall {
    /// A partition is taken over.
    Acquire,
    /// A save is written.
    Write,
    /// A place is read.
    Place,
    /// A place is moved.
    Advance,
    /// The clock is read, or positions.
    Look,
}

/// Stands between one caller and the store in memory: it may wait, and it may fail the call.
#[async_trait]
pub trait Interference: Send + Sync + 'static {
    /// Before the call takes effect: on an error it takes none.
    async fn before(&self, call: StoreCall) -> Result<(), StoreError>;

    /// After it took effect, before its caller is told: on an error it doesn't hear that it did.
    async fn after(&self, call: StoreCall) -> Result<(), StoreError>;
}

/// What is stored. Clones are the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    tables: Mutex<Tables>,
    clock_ms: AtomicI64,
}

#[derive(Debug, Default)]
struct Tables {
    /// By processor and partition.
    saves: BTreeMap<(String, u32), Row>,
    /// By consumer, topic and partition.
    places: BTreeMap<(String, String, u32), Place>,
    moves: Vec<Move>,
}

/// A move of a consumer's place that was made: what the consumer stored with it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The consumer.
    pub consumer: String,
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// The offset that the consumer set out from; 0 at the very beginning.
    pub from: u64,
    /// Where it stands since.
    pub to: u64,
}

#[derive(Debug, Default)]
struct Row {
    epoch: i64,
    save: Option<Save>,
    /// The last write, to know it when it is repeated.
    last: Option<(Position, Segment)>,
    saved_at_ms: i64,
}

/// The store in memory as one process reaches it.
#[derive(Clone)]
pub(crate) struct MemoryPool {
    store: MemoryStore,
    between: Arc<dyn Interference>,
}

impl fmt::Debug for MemoryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryPool")
    }
}

impl MemoryStore {
    /// Sets what [`SaveStore::clock_ms`] says.
    pub fn set_clock_ms(&self, ms: i64) {
        self.shared.clock_ms.store(ms, Ordering::Relaxed);
    }

    /// Where every partition stands that has a save.
    pub fn positions(&self) -> Vec<Standing> {
        let tables = self.tables();
        let standing = |((processor, partition), row): (&(String, u32), &Row)| {
            let position = row.save.as_ref()?.position.clone();
            let (processor, saved_at_ms) = (processor.clone(), row.saved_at_ms);
            Some(Standing { processor, partition: *partition, epoch: row.epoch, position, saved_at_ms })
        };
        tables.saves.iter().filter_map(standing).collect()
    }

    /// Every move of a place, in the order they were made.
    pub fn moves(&self) -> Vec<Move> {
        self.tables().moves.clone()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.shared.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SaveStore {
    /// The store in memory, for a caller of whom somebody stands between.
    pub fn in_memory(store: &MemoryStore, between: Arc<dyn Interference>) -> Self {
        Self { pool: Pool::Memory(MemoryPool { store: store.clone(), between }), name: "memory".into() }
    }
}

impl MemoryPool {
    async fn call<T>(
        &self,
        call: StoreCall,
        effect: impl FnOnce(&MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.between.before(call).await?;
        let outcome = effect(&self.store);
        self.between.after(call).await?;
        outcome
    }

    pub(crate) async fn acquire(&self, processor: &str, partition: u32) -> Result<(Tenure, Option<Save>), StoreError> {
        self.call(StoreCall::Acquire, |store| {
            let mut tables = store.tables();
            let row = tables.saves.entry((processor.to_owned(), partition)).or_default();
            row.epoch += 1;
            row.last = None;
            Ok((Tenure { processor: processor.to_owned(), partition, epoch: row.epoch }, row.save.clone()))
        })
        .await
    }

    pub(crate) async fn write(&self, tenure: &Tenure, position: &Position, segment: Segment) -> Result<(), StoreError> {
        self.call(StoreCall::Write, |store| {
            let mut tables = store.tables();
            let row = tables.saves.get_mut(&(tenure.processor.clone(), tenure.partition));
            let current = row.as_ref().map_or(0, |row| row.epoch);
            let Some(row) = row.filter(|row| row.epoch == tenure.epoch) else {
                return Err(StoreError::fenced(tenure, current));
            };
            let written = (position.clone(), segment);
            if row.last.as_ref() == Some(&written) {
                return Ok(());
            }
            let Segment { bytes, keep } = written.1.clone();
            let stored = row.save.as_ref().map_or(0, |save| save.segments.len());
            let Some(dropped) = usize::try_from(keep).ok().and_then(|keep| stored.checked_sub(keep)) else {
                let reason = "segments were to be kept that are not there";
                return Err(StoreError::corrupt(&tenure.processor, tenure.partition, reason));
            };
            let before = row.save.take().map(|save| save.segments).unwrap_or_default();
            let segments = before.into_iter().skip(dropped).chain([bytes]).collect();
            row.save = Some(Save { position: position.clone(), segments });
            row.last = Some(written);
            row.saved_at_ms = store.shared.clock_ms.load(Ordering::Relaxed);
            Ok(())
        })
        .await
    }

    pub(crate) async fn place(&self, consumer: &str, topic: &str, partition: u32) -> Result<Option<Place>, StoreError> {
        self.call(StoreCall::Place, |store| {
            Ok(store.tables().places.get(&(consumer.to_owned(), topic.to_owned(), partition)).cloned())
        })
        .await
    }

    pub(crate) async fn advance(&self, step: Step<'_>) -> Result<(), StoreError> {
        self.call(StoreCall::Advance, |store| {
            let mut tables = store.tables();
            let key = (step.consumer.to_owned(), step.topic.to_owned(), step.partition);
            let stands = tables.places.get(&key).map(|place| (&place.log_id, place.next_offset));
            if stands != step.before.map(|before| (&step.after.log_id, before.next_offset)) {
                let (consumer, topic, partition) = key;
                return Err(StoreError::Overtaken { consumer, topic, partition });
            }
            let (from, to) = (step.before.map_or(0, |before| before.next_offset), step.after.next_offset);
            tables.moves.push(Move { consumer: key.0.clone(), topic: key.1.clone(), partition: key.2, from, to });
            tables.places.insert(key, step.after.clone());
            Ok(())
        })
        .await
    }

    pub(crate) async fn clock_ms(&self) -> Result<i64, StoreError> {
        self.call(StoreCall::Look, |store| Ok(store.shared.clock_ms.load(Ordering::Relaxed))).await
    }

    pub(crate) async fn positions(&self) -> Result<Vec<Standing>, StoreError> {
        self.call(StoreCall::Look, |store| Ok(store.positions())).await
    }
}
