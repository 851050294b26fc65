//! The log in memory, for tests and simulation.
//!
//! Nothing happens by itself: a record is in the log, and acknowledged, when `send` returns. What can go wrong with a
//! log is made to happen by the methods in `faults`, and to one client of it alone by those in `network`.

mod faults;
mod network;
mod partition;
mod producer;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

pub use faults::HeldAcks;

use self::{faults::Faults, network::Network, partition::Partition};
use crate::{
    groups::{Groups, Seat},
    record::Record,
    seam::{EventLog, Extent, GroupMember, LogError, PartitionReader, Producer, TopicDifference},
    topics::TopicSpec,
};

/// A log in memory. Clones are the same log.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    shared: Arc<Shared>,
    /// Whose faults these are, if they are one client's alone.
    client: Arc<str>,
}

#[derive(Debug, Default)]
struct Shared {
    topics: Mutex<HashMap<String, Topic>>,
    groups: Groups,
    faults: Faults,
    network: Network,
    /// By client: its places in groups.
    seats: Mutex<HashMap<String, Vec<Seat>>>,
}

#[derive(Debug)]
struct Topic {
    spec: TopicSpec,
    partitions: Vec<Arc<Partition>>,
}

impl Topic {
    fn new(spec: &TopicSpec) -> Self {
        let partitions = (0..spec.partitions).map(|number| Arc::new(Partition::new(&spec.name, number))).collect();
        Self { spec: spec.clone(), partitions }
    }
}

impl MemoryLog {
    /// A log without topics.
    pub fn new() -> Self {
        Self::default()
    }

    /// A log with these topics.
    pub fn with_topics(topics: &[TopicSpec]) -> Self {
        let log = Self::new();
        log.create(topics);
        log
    }

    /// All records that the partition holds.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn records(&self, topic: &str, partition: u32) -> Result<Vec<Record>, LogError> {
        Ok(self.partition(topic, partition)?.records())
    }

    fn create(&self, topics: &[TopicSpec]) {
        let mut held = self.topics();
        for spec in topics {
            held.entry(spec.name.clone()).or_insert_with(|| Topic::new(spec));
        }
    }

    fn compare(&self, topics: &[TopicSpec]) -> Vec<TopicDifference> {
        let held = self.topics();
        topics.iter().flat_map(|spec| spec.compare(held.get(&spec.name).map(|topic| &topic.spec))).collect()
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<String, Topic>> {
        self.shared.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn partition(&self, topic: &str, partition: u32) -> Result<Arc<Partition>, LogError> {
        let topics = self.topics();
        let held = topics.get(topic).ok_or_else(|| LogError::NoSuchTopic(topic.to_owned()))?;
        let found = held.partitions.get(partition as usize).cloned();
        found.ok_or_else(|| LogError::NoSuchPartition { topic: topic.to_owned(), partition })
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
        self.create(topics);
        Ok(self.compare(topics))
    }

    async fn check_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
        Ok(self.compare(topics))
    }

    async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        let topics = self.topics();
        let held = topics.get(topic).ok_or_else(|| LogError::NoSuchTopic(topic.to_owned()))?;
        Ok(held.spec.partitions)
    }

    async fn extent(&self, topic: &str, partition: u32) -> Result<Extent, LogError> {
        Ok(self.partition(topic, partition)?.extent())
    }

    async fn producer(&self, name: &str) -> Result<Box<dyn Producer>, LogError> {
        Ok(Box::new(producer::MemoryProducer::new(self.clone(), name)))
    }

    async fn read(&self, topic: &str, partition: u32, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        Ok(Box::new(partition::Reader::open(self.partition(topic, partition)?, from)?))
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn GroupMember>, LogError> {
        let partitions = self.partitions(topic).await?;
        let (seat, member) = self.shared.groups.join_seated(group, topic, partitions, Arc::new(self.clone()));
        let mut seats = self.shared.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.entry(self.client.to_string()).or_default().push(seat);
        Ok(member)
    }
}
