//! The log in memory as one service of one process reaches it: every call passes the process's gate, records come few at
//! a time, and what is said again although it was seen in the log is noted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tiermesh_event_log::{
    Ack, Assignment, EventLog, Extent, GroupEvent, GroupMember, LogError, NewRecord, PartitionReader, Producer, Record,
    StartPartition, TopicDifference,
    memory::MemoryLog,
    topics::{CUSTOMER_EVENTS, TopicSpec},
};
use tiermesh_processing::origin_of;

use crate::{gate::Gate, operation::Call};

/// Who writes to all partitions at once.
const BROADCASTER: &str = "ingest-control";

/// A log that passes through a gate. Clones share what was seen.
#[derive(Clone)]
pub(crate) struct SimLog {
    log: MemoryLog,
    gate: Arc<Gate>,
    service: &'static str,
    /// How many records come at most at once.
    fetch: usize,
    untidy: Arc<Mutex<Vec<String>>>,
    /// By output topic and partition: the greatest number of that very partition's own that stood there at the last look.
    seen: Arc<Mutex<BTreeMap<(String, u32), u64>>>,
}

impl SimLog {
    pub(crate) fn new(
        log: MemoryLog,
        gate: Arc<Gate>,
        service: &'static str,
        fetch: usize,
        untidy: Arc<Mutex<Vec<String>>>,
    ) -> Self {
        Self { log, gate, service, fetch, untidy, seen: Arc::default() }
    }

    fn number(&self, record: &Record, partition: u32) -> Option<u64> {
        let origin = origin_of(record)?;
        (origin.service == self.service && origin.partition == partition).then_some(origin.sequence)
    }

    fn look(&self, topic: &str, partition: u32) {
        let records = self.log.records(topic, partition).unwrap_or_default();
        if let Some(greatest) = records.iter().filter_map(|record| self.number(record, partition)).max() {
            lock(&self.seen).insert((topic.to_owned(), partition), greatest);
        }
    }

    fn check_tidy(&self, topic: &str, partition: u32, records: &[NewRecord]) {
        let Some(seen) = lock(&self.seen).get(&(topic.to_owned(), partition)).copied() else { return };
        for record in records {
            let NewRecord { key, value, headers } = record.clone();
            let number = self.number(&Record { offset: 0, key, value, headers }, partition);
            if let Some(number) = number.filter(|number| *number <= seen) {
                let service = self.service;
                lock(&self.untidy).push(format!(
                    "{service} said number {number} of `{topic}`/{partition} again, and had seen {seen} there"
                ));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl EventLog for SimLog {
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
        self.gate.pass(&[], false).await;
        self.look(topic, partition);
        self.log.extent(topic, partition).await
    }

    async fn producer(&self, name: &str) -> Result<Box<dyn Producer>, LogError> {
        self.gate.pass(&[], false).await;
        let producer = self.log.producer(name).await?;
        let mesh = self.log.partitions(CUSTOMER_EVENTS.name).await?;
        Ok(Box::new(SimProducer { producer, log: self.clone(), broadcasts_to: (name == BROADCASTER).then_some(mesh) }))
    }

    async fn read(&self, topic: &str, partition: u32, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        self.gate.pass(&[], false).await;
        let reader = self.log.read(topic, partition, from).await?;
        Ok(Box::new(SimReader { reader, gate: Arc::clone(&self.gate), fetch: self.fetch }))
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn GroupMember>, LogError> {
        self.gate.pass(&[], false).await;
        let member = self.log.join(group, topic).await?;
        Ok(Box::new(SimMember { member, gate: Arc::clone(&self.gate), fetch: self.fetch }))
    }
}

struct SimProducer {
    producer: Box<dyn Producer>,
    log: SimLog,
    broadcasts_to: Option<u32>,
}

#[async_trait]
impl Producer for SimProducer {
    async fn send(&self, topic: &str, partition: u32, records: Vec<NewRecord>) -> Result<Ack, LogError> {
        // Cut off between the first partition and the last.
        let kinds = |is_half: bool| -> &[Call] { if is_half { &[Call::Send, Call::Broadcast] } else { &[Call::Send] } };
        let gate = &self.log.gate;
        gate.pass(kinds(self.broadcasts_to.is_some() && partition > 0), false).await;
        self.log.check_tidy(topic, partition, &records);
        let ack = self.producer.send(topic, partition, records).await?;
        gate.pass(kinds(self.broadcasts_to.is_some_and(|mesh| partition + 1 < mesh)), true).await;
        let gate = Arc::clone(gate);
        Ok(Box::pin(async move {
            let outcome = ack.await;
            gate.pass(&[], true).await;
            outcome
        }))
    }
}

struct SimReader {
    reader: Box<dyn PartitionReader>,
    gate: Arc<Gate>,
    fetch: usize,
}

#[async_trait]
impl PartitionReader for SimReader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        // Only before: who is told to stop while waiting here must not lose what was read.
        self.gate.pass(&[], false).await;
        self.reader.next(max.min(self.fetch)).await
    }
}

struct SimMember {
    member: Box<dyn GroupMember>,
    gate: Arc<Gate>,
    fetch: usize,
}

#[async_trait]
impl GroupMember for SimMember {
    async fn next(&mut self) -> Result<GroupEvent, LogError> {
        self.gate.pass(&[], false).await;
        let event = self.member.next().await?;
        Ok(match event {
            GroupEvent::Assigned(assignments) => {
                let through = |Assignment { partition, starter }| Assignment {
                    partition,
                    starter: Box::new(SimStarter { starter, gate: Arc::clone(&self.gate), fetch: self.fetch }),
                };
                GroupEvent::Assigned(assignments.into_iter().map(through).collect())
            }
            revoked => revoked,
        })
    }
}

struct SimStarter {
    starter: Box<dyn StartPartition>,
    gate: Arc<Gate>,
    fetch: usize,
}

#[async_trait]
impl StartPartition for SimStarter {
    async fn start(self: Box<Self>, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        self.gate.pass(&[], false).await;
        let reader = self.starter.start(from).await?;
        Ok(Box::new(SimReader { reader, gate: self.gate, fetch: self.fetch }))
    }
}
