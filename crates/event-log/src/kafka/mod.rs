//! The log on Apache Kafka, by librdkafka.
//!
//! Nothing here relies on contiguous offsets: control records and birth records take some.
//!
//! What can't be reached is [`LogError::Unavailable`] after [`KafkaSettings::timeout`], which names the brokers. Two
//! things don't time out:
//!
//! - A read waits for records, and can't tell a broker that is away from one that has none.
//! - An acknowledgement: with a time-out librdkafka could leave a record out and write those after it. So while a broker
//!   is away acknowledgements just don't resolve, and `send` waits once 32 MB are unacknowledged. A caller that must know
//!   waits with a time-out of its own and then decides: to go on waiting, for the records are delivered when the broker
//!   is back, or to drop the producer and start anew from its last save.

mod batch;
mod births;
mod client;
mod cluster;
pub mod inbound;
mod member;
mod producer;
mod reader;
mod rebalance;
mod registry;
mod settings;
mod slot;
mod topics;

use std::sync::Arc;

use async_trait::async_trait;

use self::cluster::Cluster;
pub use self::settings::KafkaSettings;
use crate::{
    seam::{EventLog, Extent, GroupMember, LogError, PartitionReader, Producer, TopicDifference},
    topics::TopicSpec,
};

/// A log on a Kafka cluster. Clones share one connection for whatever is neither sending nor reading.
#[derive(Clone)]
pub struct KafkaLog {
    cluster: Arc<Cluster>,
}

impl KafkaLog {
    /// A log on these brokers. Connects when it is first used.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if librdkafka refuses the settings.
    pub fn new(settings: KafkaSettings) -> Result<Self, LogError> {
        Ok(Self { cluster: Cluster::new(settings)? })
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    fn system(&self) -> &'static str {
        "kafka"
    }

    async fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
        topics::create(&self.cluster, topics).await?;
        topics::check(&self.cluster, topics).await
    }

    async fn check_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
        topics::check(&self.cluster, topics).await
    }

    async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        self.cluster.partitions(topic).await
    }

    async fn extent(&self, topic: &str, partition: u32) -> Result<Extent, LogError> {
        let (start, end) = self.cluster.offsets(topic, partition).await?;
        let log_id = registry::log_id(&self.cluster, topic, partition, start).await?;
        Ok(Extent { log_id, start, end })
    }

    async fn producer(&self, name: &str) -> Result<Box<dyn Producer>, LogError> {
        self.cluster.reach().await?;
        Ok(Box::new(producer::KafkaProducer::new(Arc::clone(&self.cluster), name)?))
    }

    async fn read(&self, topic: &str, partition: u32, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        let begin = self.cluster.begin(topic, partition, from).await?;
        Ok(Box::new(reader::standalone(Arc::clone(&self.cluster), topic, partition, begin)?))
    }

    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn GroupMember>, LogError> {
        self.cluster.partitions(topic).await?;
        Ok(Box::new(member::Member::join(Arc::clone(&self.cluster), group, topic)?))
    }
}
