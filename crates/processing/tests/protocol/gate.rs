//! A log that lets a service read only as far as a test allows: so a test decides where it is cut off.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use tiermesh_event_log::{
    Ack, Assignment, EventLog, Extent, GroupEvent, GroupMember, LogError, NewRecord, PartitionReader, Producer, Record,
    StartPartition, TopicDifference, memory::MemoryLog, topics::TopicSpec,
};
use tokio::sync::watch;

/// The log in memory behind a gate. Only what members of a group read has to pass it.
pub(crate) struct GatedLog {
    log: MemoryLog,
    /// Records from this offset on, in any partition, are held back.
    limit: watch::Sender<u64>,
    /// How many records were let through.
    passed: Arc<AtomicU64>,
    /// Producers keep whoever sends waiting, as ones whose buffer is full.
    full: watch::Sender<bool>,
}

impl GatedLog {
    pub(crate) fn open(log: MemoryLog) -> Self {
        let (limit, full) = (watch::Sender::new(u64::MAX), watch::Sender::new(false));
        Self { log, limit, passed: Arc::default(), full }
    }

    /// How many records members have read.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Has producers keep whoever sends waiting, or no longer.
    pub(crate) fn hold_sends(&self, hold: bool) {
        self.full.send_replace(hold);
    }

    /// Holds back records from this offset on. A reader that stands before one does not hear that its partition was
    /// taken away: as one that is slow to read.
    pub(crate) fn hold_from(&self, offset: u64) {
        self.limit.send_replace(offset);
    }
}

#[async_trait]
impl EventLog for GatedLog {
    async fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
        self.log.create_topics(topics).await
    }

    async fn check_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
        self.log.check_topics(topics).await
    }

    async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        self.log.partitions(topic).await
    }

    async fn extent(&self, topic: &str, partition: u32) -> Result<Extent, LogError> {
        self.log.extent(topic, partition).await
    }

    async fn producer(&self, name: &str) -> Result<Box<dyn Producer>, LogError> {
        let producer = self.log.producer(name).await?;
        Ok(Box::new(GatedProducer { producer, full: self.full.subscribe() }))
    }

    async fn read(&self, topic: &str, partition: u32, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        self.log.read(topic, partition, from).await
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn GroupMember>, LogError> {
        let member = self.log.join(group, topic).await?;
        Ok(Box::new(GatedMember { member, limit: self.limit.subscribe(), passed: Arc::clone(&self.passed) }))
    }
}

struct GatedProducer {
    producer: Box<dyn Producer>,
    full: watch::Receiver<bool>,
}

#[async_trait]
impl Producer for GatedProducer {
    async fn send(&self, topic: &str, partition: u32, records: Vec<NewRecord>) -> Result<Ack, LogError> {
        self.full.clone().wait_for(|full| !full).await.map_err(|_| LogError::Closed)?;
        self.producer.send(topic, partition, records).await
    }
}

struct GatedMember {
    member: Box<dyn GroupMember>,
    limit: watch::Receiver<u64>,
    passed: Arc<AtomicU64>,
}

#[async_trait]
impl GroupMember for GatedMember {
    async fn next(&mut self) -> Result<GroupEvent, LogError> {
        let event = self.member.next().await?;
        let GroupEvent::Assigned(assignments) = event else { return Ok(event) };
        let gated = |assignment: Assignment| Assignment {
            partition: assignment.partition,
            starter: Box::new(GatedStart {
                starter: assignment.starter,
                limit: self.limit.clone(),
                passed: Arc::clone(&self.passed),
            }),
        };
        Ok(GroupEvent::Assigned(assignments.into_iter().map(gated).collect()))
    }
}

struct GatedStart {
    starter: Box<dyn StartPartition>,
    limit: watch::Receiver<u64>,
    passed: Arc<AtomicU64>,
}

#[async_trait]
impl StartPartition for GatedStart {
    async fn start(self: Box<Self>, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        let reader = self.starter.start(from).await?;
        let Self { limit, passed, .. } = *self;
        Ok(Box::new(GatedReader { reader, next: from.max(1), limit, passed, held: Vec::new() }))
    }
}

struct GatedReader {
    reader: Box<dyn PartitionReader>,
    next: u64,
    limit: watch::Receiver<u64>,
    passed: Arc<AtomicU64>,
    /// Read, and held back.
    held: Vec<Record>,
}

#[async_trait]
impl PartitionReader for GatedReader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        if self.held.is_empty() {
            self.held = self.reader.next(max).await?;
        }
        let next = self.next;
        let limit = *self.limit.wait_for(|limit| *limit > next).await.map_err(|_| LogError::Closed)?;
        let fitting = self.held.iter().take(max).take_while(|record| record.offset < limit).count();
        self.next += fitting as u64;
        self.passed.fetch_add(fitting as u64, Ordering::Relaxed);
        Ok(self.held.drain(..fitting).collect())
    }
}
