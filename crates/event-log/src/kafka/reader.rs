//! Reads one partition, of a group or on its own.

use std::sync::{Arc, atomic::AtomicBool};

use async_trait::async_trait;
use rdkafka::{Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError, types::RDKafkaErrorCode};

use super::{
    client::{self, Duties, PollThread},
    cluster::Cluster,
    slot::Slot,
};
use crate::{
    record::Record,
    seam::{LogError, PartitionReader},
    topics::CUSTOMER_EVENTS,
};

/// How many records are taken at once, so that one reader doesn't keep a worker thread from the others.
const AT_ONCE: usize = 1024;

pub(super) struct Reader {
    pub(super) cluster: Arc<Cluster>,
    pub(super) slot: Arc<Slot>,
    pub(super) topic: String,
    pub(super) partition: u32,
    /// An error that came after records, for the next call.
    pub(super) failed: Option<KafkaError>,
    /// The thread of a reader on its own.
    pub(super) thread: Option<PollThread>,
    /// Headers are wanted of records that may be traced only.
    pub(super) skip_headers: bool,
}

/// A reader with a consumer of its own.
pub(super) fn standalone(cluster: Arc<Cluster>, topic: &str, partition: u32, begin: u64) -> Result<Reader, LogError> {
    let consumer = client::create(&cluster.settings.consumer("tiermesh.readers"), None)?;
    let slot = Slot::new(begin);
    slot.open(&consumer, topic, partition);
    consumer.assign(&place(topic, [(partition, begin)])).map_err(|error| cluster.unavailable(error))?;
    let duties = Close(Arc::clone(&slot));
    let thread = PollThread::start("kafka-reader", consumer, Arc::new(AtomicBool::new(false)), duties)?;
    Ok(Reader {
        cluster,
        slot,
        topic: topic.to_owned(),
        partition,
        failed: None,
        thread: Some(thread),
        skip_headers: false,
    })
}

/// Partitions and offsets as librdkafka wants them.
pub(super) fn place(topic: &str, partitions: impl IntoIterator<Item = (u32, u64)>) -> TopicPartitionList {
    let mut places = TopicPartitionList::new();
    for (partition, offset) in partitions {
        let place = places.add_partition_offset(topic, partition as i32, Offset::Offset(offset as i64));
        place.expect("an offset that is not a special one is accepted");
    }
    places
}

struct Close(Arc<Slot>);

impl Duties for Close {
    fn finish(&mut self) {
        self.0.close(LogError::Closed);
    }
}

impl Reader {
    async fn explain(&self, error: KafkaError) -> LogError {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                let (topic, partition, offset) = (self.topic.clone(), self.partition, self.slot.position());
                match self.cluster.offsets(&topic, partition).await {
                    Ok((start, end)) => LogError::OutOfRange { topic, partition, offset, start, end },
                    Err(error) => error,
                }
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => LogError::NoSuchTopic(self.topic.clone()),
            _ => self.cluster.unavailable(error),
        }
    }
}

#[async_trait]
impl PartitionReader for Reader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        loop {
            if let Some(error) = self.failed.take() {
                return Err(self.explain(error).await);
            }
            let taken = self.slot.take(max.clamp(1, AT_ONCE), self.skip_headers)?;
            self.failed = taken.error;
            if !taken.records.is_empty() {
                return Ok(taken.records);
            }
            if self.failed.is_none() {
                self.slot.ready().await;
            }
        }
    }

    fn skip_headers(&mut self) {
        self.skip_headers = self.topic == CUSTOMER_EVENTS.name;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Its records are nobody's now. One of a group leaves the queue to the group's thread.
        if self.thread.is_some() {
            self.slot.close(LogError::Closed);
        }
    }
}
