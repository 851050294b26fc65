//! Topics of others: anything may stand in them, and a group keeps its place in Kafka.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tiermesh_event_log::{
    LogError,
    kafka::{
        KafkaSettings,
        inbound::{InboundConsumer, InboundPartition, InboundRecord, InboundSettings, InboundStart},
    },
};

use crate::{
    kafka::Broker,
    support::{create, guarded, unique},
};

struct Topic {
    brokers: String,
    name: String,
    group: String,
}

impl Topic {
    async fn new(partitions: u32) -> Self {
        let name = create(&Broker::shared().await.log, partitions).await.name;
        Self { brokers: tiermesh_testkit::kafka().to_owned(), name, group: unique("inbound") }
    }

    fn consumer(&self, start: InboundStart) -> InboundConsumer {
        let mut kafka = KafkaSettings::new(&self.brokers);
        let sessions = [("session.timeout.ms", "3000"), ("heartbeat.interval.ms", "500")];
        kafka.extra = sessions.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let (group, topics) = (self.group.clone(), vec![self.name.clone()]);
        InboundConsumer::start(InboundSettings { kafka, group, topics, start }).unwrap()
    }

    fn write(&self, partition: u32, value: Option<&[u8]>, headers: &[(&str, &[u8])]) {
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let mut owned = OwnedHeaders::new();
        for (key, value) in headers {
            owned = owned.insert(Header { key, value: Some(*value) });
        }
        let mut record = BaseRecord::<(), [u8]>::to(&self.name).partition(partition as i32).headers(owned);
        record.payload = value;
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(Duration::from_secs(60)).unwrap();
    }
}

async fn take(partition: &InboundPartition, count: usize) -> Vec<InboundRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(partition.next(count - records.len()).await.unwrap());
    }
    records
}

fn values(records: &[InboundRecord]) -> Vec<&[u8]> {
    records.iter().map(|record| record.value.as_deref().unwrap_or(b"none")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_stands_there_is_handed_over_as_it_is() {
    guarded(async {
        let topic = Topic::new(1).await;
        topic.write(0, None, &[]);
        topic.write(0, Some(b"\xff\xfe"), &[("ce_id", b"\xff"), ("two", b""), ("two", b"2")]);
        let mut consumer = topic.consumer(InboundStart::Earliest);
        let partition = consumer.next().await.unwrap();
        // The first is the topic's birth record: others know nothing of it.
        let records = take(&partition, 3).await;
        assert_eq!(values(&records), [&b""[..], b"none", b"\xff\xfe"]);
        assert_eq!(records[1].value, None);
        let headers: Vec<(&str, &[u8])> =
            records[2].headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        assert_eq!(headers, [("ce_id", &b"\xff"[..]), ("two", b""), ("two", b"2")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_done_with_is_not_read_again() {
    guarded(async {
        let topic = Topic::new(1).await;
        (0..5).for_each(|number: u32| topic.write(0, Some(number.to_string().as_bytes()), &[]));
        let mut consumer = topic.consumer(InboundStart::Earliest);
        let partition = consumer.next().await.unwrap();
        let records = take(&partition, 6).await;
        partition.done(records[2].offset + 1);
        // Leaving commits what is done with, and nothing more.
        drop(partition);
        tokio::task::spawn_blocking(move || drop(consumer)).await.unwrap();
        let mut consumer = topic.consumer(InboundStart::Earliest);
        let partition = consumer.next().await.unwrap();
        assert_eq!(values(&take(&partition, 3).await), [b"2", b"3", b"4"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latest_begins_with_what_comes_next() {
    guarded(async {
        let topic = Topic::new(1).await;
        topic.write(0, Some(b"old"), &[]);
        let mut consumer = topic.consumer(InboundStart::Latest);
        let partition = consumer.next().await.unwrap();
        // Where the end is, is asked for when reading begins: something has to come to be read.
        let mut records = Vec::new();
        while records.is_empty() {
            topic.write(0, Some(b"new"), &[]);
            let next = tokio::time::timeout(Duration::from_millis(500), partition.next(1)).await;
            records = next.map_or(Vec::new(), Result::unwrap);
        }
        assert_eq!(values(&records), [b"new"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_goes_to_another_member_once_it_is_dropped_and_begins_where_it_was_done() {
    guarded(async {
        let topic = Topic::new(2).await;
        for partition in 0..2 {
            (0..4).for_each(|number: u32| topic.write(partition, Some(number.to_string().as_bytes()), &[]));
        }
        let mut one = topic.consumer(InboundStart::Earliest);
        let mut mine = BTreeMap::new();
        for _ in 0..2 {
            let partition = one.next().await.unwrap();
            let records = take(&partition, 5).await;
            partition.done(records[2].offset + 1);
            mine.insert(partition.partition(), partition);
        }
        let mut two = topic.consumer(InboundStart::Earliest);
        let revoked = loop {
            // The one that goes says so.
            let closed = mine.iter().find(|(_, partition)| !partition.is_open()).map(|(number, _)| *number);
            if let Some(number) = closed {
                break number;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(matches!(mine[&revoked].next(1).await, Err(LogError::Closed)));
        drop(mine.remove(&revoked));
        let partition = two.next().await.unwrap();
        assert_eq!(partition.partition(), revoked);
        assert_eq!(values(&take(&partition, 2).await), [b"2", b"3"]);
        assert!(mine.values().all(InboundPartition::is_open));
    })
    .await;
}
