//! Small things that the cases share.

use std::{
    future::Future,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tiermesh_event_log::{
    Ack, Assignment, EventLog, GroupEvent, GroupMember, NewRecord, PartitionReader, Record, topics::TopicSpec,
};
use tokio::sync::oneshot;

/// Ends a case that hangs. No case comes near it on a machine that does its work.
pub(crate) async fn guarded(case: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(180), case).await.expect("the case hangs");
}

/// A topic with a name of its own: cases may share a broker.
pub(crate) fn topic(partitions: u32) -> TopicSpec {
    TopicSpec { name: unique("topic"), partitions, retention_days: None }
}

pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("contract.{what}.{}.{}.{number}", std::process::id(), uuid::Uuid::new_v4().simple())
}

pub(crate) async fn create(log: &dyn EventLog, partitions: u32) -> TopicSpec {
    let topic = topic(partitions);
    let differences = log.create_topics(std::slice::from_ref(&topic)).await.unwrap();
    assert_eq!(differences, [], "the new topic differs");
    topic
}

pub(crate) fn record(value: impl Into<String>) -> NewRecord {
    NewRecord { value: value.into().into(), ..NewRecord::default() }
}

pub(crate) fn numbers(range: std::ops::Range<usize>) -> Vec<NewRecord> {
    range.map(|number| record(number.to_string())).collect()
}

pub(crate) fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.value.to_vec()).unwrap()).collect()
}

/// Bytes that can't be compressed.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(step).collect()
}

/// Sends and waits for the acknowledgement.
pub(crate) async fn append(log: &dyn EventLog, topic: &str, partition: u32, records: Vec<NewRecord>) -> u64 {
    let producer = log.producer("append").await.unwrap();
    producer.send(topic, partition, records).await.unwrap().await.unwrap()
}

pub(crate) async fn all(acks: Vec<Ack>) -> Vec<u64> {
    let mut offsets = Vec::new();
    for ack in acks {
        offsets.push(ack.await.unwrap());
    }
    offsets
}

/// Reads so many records.
pub(crate) async fn take(reader: &mut dyn PartitionReader, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        let more = reader.next(count - records.len()).await.unwrap();
        assert!(!more.is_empty() && more.len() <= count - records.len());
        records.extend(more);
    }
    assert!(records.is_sorted_by(|one, next| one.offset < next.offset), "offsets must grow");
    records
}

pub(crate) async fn read(log: &dyn EventLog, topic: &str, partition: u32, from: u64, count: usize) -> Vec<Record> {
    let mut reader = log.read(topic, partition, from).await.unwrap();
    take(&mut *reader, count).await
}

/// The partitions assigned next; whatever is revoked first is given up.
pub(crate) async fn assigned(member: &mut dyn GroupMember) -> Vec<Assignment> {
    loop {
        match member.next().await.unwrap() {
            GroupEvent::Assigned(assignments) => return assignments,
            GroupEvent::Revoked { done, .. } => done.send(()).unwrap(),
        }
    }
}

pub(crate) async fn revoked(member: &mut dyn GroupMember) -> (Vec<u32>, bool, oneshot::Sender<()>) {
    match member.next().await.unwrap() {
        GroupEvent::Revoked { partitions, lost, done } => (partitions, lost, done),
        GroupEvent::Assigned(assignments) => {
            panic!("assigned {:?}", assignments.iter().map(|assignment| assignment.partition).collect::<Vec<_>>())
        }
    }
}
