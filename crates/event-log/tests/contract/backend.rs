//! A backend under test, and what only its own means can make happen to it.

use std::sync::Arc;

use tempfile::TempDir;
use tiermesh_event_log::{
    Ack, EventLog, Producer,
    embedded::{EmbeddedLog, OpenOptions},
    memory::MemoryLog,
    topics::TopicSpec,
};

use crate::support::{noise, record};

pub(crate) enum Backend {
    Memory(MemoryLog),
    Embedded {
        log: Option<EmbeddedLog>,
        dir: TempDir,
    },
    #[cfg(feature = "kafka")]
    Kafka(crate::kafka::Broker),
}

/// The embedded log's file may not become larger.
const FULL_AT: u64 = 8 << 20;

impl Backend {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryLog::new())
    }

    pub(crate) async fn embedded() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Some(open(&dir).await);
        Self::Embedded { log, dir }
    }

    #[cfg(feature = "kafka")]
    pub(crate) async fn kafka() -> Self {
        Self::Kafka(crate::kafka::Broker::shared().await)
    }

    pub(crate) fn log(&self) -> Arc<dyn EventLog> {
        match self {
            Self::Memory(log) => Arc::new(log.clone()),
            Self::Embedded { log, .. } => Arc::new(log.clone().unwrap()),
            #[cfg(feature = "kafka")]
            Self::Kafka(broker) => Arc::new(broker.log.clone()),
        }
    }

    /// A log over the same data as if by another process later: the embedded one is closed and opened again. No other
    /// handle may be left.
    pub(crate) async fn reopened(&mut self) -> Arc<dyn EventLog> {
        match self {
            Self::Memory(log) => *log = log.clone(),
            Self::Embedded { log, dir } => {
                *log = None;
                *log = Some(open(dir).await);
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(broker) => *broker = crate::kafka::Broker::shared().await,
        }
        self.log()
    }

    /// Sends something to partition 0 that the log will refuse, by a producer of this name.
    pub(crate) async fn send_what_fails(&self, name: &str, producer: &dyn Producer, topic: &str) -> Ack {
        let refused = match self {
            Self::Memory(log) => {
                log.fail_next_delivery(name, 0);
                record("any")
            }
            Self::Embedded { .. } => {
                let mut large = record("large");
                large.value = noise(FULL_AT as usize + 1).into();
                large
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(_) => {
                // Beyond what a broker takes by default; the client of these tests lets it pass. (A limit set on the
                // topic would not do: a broker may answer that it is set before it holds.)
                let mut large = record("large");
                large.value = noise(2 << 20).into();
                large
            }
        };
        producer.send(topic, 0, vec![refused]).await.unwrap()
    }

    /// Deletes the topic, by the backend's means, and makes it again.
    pub(crate) async fn replace(&mut self, topic: &TopicSpec) {
        match self {
            Self::Memory(log) => log.replace_topic(&topic.name).unwrap(),
            Self::Embedded { .. } => {
                *self = Self::embedded().await;
                self.log().create_topics(std::slice::from_ref(topic)).await.unwrap();
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(broker) => {
                broker.delete(&topic.name).await;
                broker.log.create_topics(std::slice::from_ref(topic)).await.unwrap();
            }
        }
    }

    /// Removes the records before `offset` from partition 0. False if this backend never removes any.
    pub(crate) async fn cut(&self, topic: &str, offset: u64) -> bool {
        match self {
            Self::Memory(log) => log.cut(topic, 0, offset).unwrap(),
            Self::Embedded { .. } => return false,
            #[cfg(feature = "kafka")]
            Self::Kafka(broker) => broker.cut(topic, offset).await,
        }
        true
    }

    /// Makes the group give up on its one member; false if this backend's group never would.
    pub(crate) async fn lose(&self, group: &str, topic: &str) -> bool {
        match self {
            Self::Memory(log) => assert!(log.lose_partitions(group, topic, 0)),
            Self::Embedded { .. } => return false,
            #[cfg(feature = "kafka")]
            Self::Kafka(broker) => broker.expel_members(group).await,
        }
        true
    }
}

async fn open(dir: &TempDir) -> EmbeddedLog {
    let options = OpenOptions { max_file_bytes: Some(FULL_AT), ..OpenOptions::default() };
    EmbeddedLog::open(dir.path(), options).await.unwrap()
}
