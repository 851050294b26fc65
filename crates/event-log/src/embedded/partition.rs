//! The topics and partitions of an embedded log, as the process knows them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::{
    cache::{Cache, Chunk},
    sql,
};
use crate::{
    record::LogId,
    seam::{Extent, LogError},
    topics::TopicSpec,
};

/// A partition. The writer makes it grow; readers wait for that.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) number: u32,
    /// Its number in SQL.
    pub(super) id: i64,
    log_id: LogId,
    end: watch::Sender<u64>,
    cache: Mutex<Cache>,
}

impl Partition {
    pub(super) fn end(&self) -> u64 {
        *self.end.borrow()
    }

    pub(super) fn ends(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    /// Records up to `end` are on the disk.
    pub(super) fn grow(&self, end: u64) {
        self.end.send_if_modified(|held| {
            let grows = end > *held;
            *held = end.max(*held);
            grows
        });
    }

    /// A batch is on the disk.
    pub(super) fn publish(&self, chunk: Chunk) {
        let end = chunk.end();
        self.cache().push(chunk);
        self.grow(end);
    }

    /// The batches in memory from the one that holds this offset on; none if it isn't there.
    pub(super) fn cached(&self, offset: u64) -> VecDeque<Chunk> {
        self.cache().from(offset)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn extent(&self) -> Extent {
        Extent { log_id: self.log_id.clone(), start: 0, end: self.end() }
    }

    pub(super) fn corrupt(&self, offset: u64, what: impl std::fmt::Display) -> LogError {
        LogError::Corrupt(format!("topic `{}`, partition {}, offset {offset}: {what}", self.topic, self.number))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    topics: RwLock<HashMap<String, Topic>>,
}

#[derive(Debug)]
struct Topic {
    spec: TopicSpec,
    partitions: Vec<Arc<Partition>>,
}

impl Catalog {
    /// Learns from the file what there is; a partition that is known already grows.
    pub(super) async fn load(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let rows = sql::partitions(connection).await?;
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let topic = topics
                .entry(row.topic.name.clone())
                .or_insert_with(|| Topic { spec: row.topic, partitions: Vec::new() });
            // Rows come in the order of the partitions' numbers.
            match topic.partitions.get(row.number as usize) {
                Some(partition) => partition.grow(row.end),
                None => topic.partitions.push(Arc::new(Partition {
                    topic: topic.spec.name.clone(),
                    number: row.number,
                    id: row.id,
                    log_id: row.log_id,
                    end: watch::Sender::new(row.end),
                    cache: Mutex::default(),
                })),
            }
        }
        Ok(())
    }

    pub(super) fn topic(&self, name: &str) -> Option<TopicSpec> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(name).map(|topic| topic.spec.clone())
    }

    pub(super) fn partition(&self, topic: &str, partition: u32) -> Result<Arc<Partition>, LogError> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let held = topics.get(topic).ok_or_else(|| LogError::NoSuchTopic(topic.to_owned()))?;
        let found = held.partitions.get(partition as usize).cloned();
        found.ok_or_else(|| LogError::NoSuchPartition { topic: topic.to_owned(), partition })
    }
}
