//! A Kafka of the benchmark's own: topics, what stands on them, how far a group has come.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use tiermesh_event_log::{
    EventLog,
    kafka::{KafkaLog, KafkaSettings},
    topics::{self, TIER_CHANGES},
};
use tiermesh_testkit::KafkaServer;
use tokio::runtime::Runtime;

use crate::{Failure, digest::Outputs, service::LOOK_EVERY};

/// An answer of the broker that takes longer never comes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A broker with a mesh's topics.
pub struct Cluster {
    server: KafkaServer,
    runtime: Runtime,
    watcher: BaseConsumer,
    /// Of the mesh.
    pub partitions: u32,
}

impl Cluster {
    /// Starts a broker and creates the topics of a mesh.
    ///
    /// # Errors
    /// If they can't be created.
    pub fn start(partitions: u32) -> Result<Self, Failure> {
        let server = KafkaServer::start();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let watcher = consumer(server.bootstrap(), "bench-watcher").create()?;
        let cluster = Self { server, runtime, watcher, partitions };
        cluster.create_topics()?;
        Ok(cluster)
    }

    /// Its bootstrap servers.
    pub fn brokers(&self) -> &str {
        self.server.bootstrap()
    }

    /// Waits for what is asked of it.
    pub fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    /// It as the mesh's log; its producer collects greater batches than a service's, which has somebody waiting.
    ///
    /// # Errors
    /// If it can't be reached.
    pub fn log(&self) -> Result<Arc<dyn EventLog>, Failure> {
        let mut settings = KafkaSettings::new(self.brokers());
        settings.extra =
            [("linger.ms", "20"), ("batch.size", "262144")].map(|(name, value)| (name.into(), value.into())).into();
        Ok(Arc::new(KafkaLog::new(settings)?))
    }

    fn create_topics(&self) -> Result<(), Failure> {
        let log = self.log()?;
        let left = self.wait(log.create_topics(&topics::all(self.partitions)))?;
        if left.is_empty() { Ok(()) } else { Err(format!("topics that differ: {left:?}").into()) }
    }

    /// Everything that services said is gone, and `customer.events` as it was.
    ///
    /// # Errors
    /// If the broker refuses.
    pub fn forget_outputs(&self) -> Result<(), Failure> {
        let names: Vec<String> = topics::all(1)
            .into_iter()
            .map(|topic| topic.name)
            .filter(|name| name != topics::CUSTOMER_EVENTS.name)
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.wait(self.admin()?.delete_topics(&names, &AdminOptions::new()))?;
        let began = Instant::now();
        while began.elapsed() < TIMEOUT {
            let metadata = self.watcher.fetch_metadata(None, TIMEOUT)?;
            if !metadata.topics().iter().any(|topic| names.contains(&topic.name())) {
                return self.create_topics();
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err("the broker doesn't delete topics".into())
    }

    /// Creates a topic for a peer.
    ///
    /// # Errors
    /// If the broker refuses.
    pub fn create_topic(&self, name: &str) -> Result<(), Failure> {
        let topic = NewTopic::new(name, self.partitions as i32, TopicReplication::Fixed(1));
        let created = self.wait(self.admin()?.create_topics([&topic], &AdminOptions::new()))?;
        created
            .into_iter()
            .try_for_each(|one| one.map(drop).map_err(|(name, code)| format!("topic {name}: {code}").into()))
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, Failure> {
        Ok(ClientConfig::new().set("bootstrap.servers", self.brokers()).create()?)
    }

    /// By partition of a topic, the offset that the next record gets.
    ///
    /// # Errors
    /// If the broker doesn't answer.
    pub fn ends(&self, topic: &str) -> Result<Vec<u64>, Failure> {
        let end = |partition| Ok(self.watcher.fetch_watermarks(topic, partition, TIMEOUT)?.1 as u64);
        (0..self.partitions as i32).map(end).collect()
    }

    /// By partition of a topic, the offset that a group has committed.
    ///
    /// # Errors
    /// If the broker doesn't answer.
    pub fn committed(&self, group: &str, topic: &str) -> Result<Vec<u64>, Failure> {
        let consumer: BaseConsumer = consumer(self.brokers(), group).create()?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, self.partitions as i32 - 1);
        let found = consumer.committed_offsets(asked, TIMEOUT)?;
        let offset = |at: &Offset| at.to_raw().and_then(|raw| u64::try_from(raw).ok()).unwrap_or_default();
        Ok(found.elements().iter().map(|element| offset(&element.offset())).collect())
    }

    /// What was said on `tier.changes`.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn outputs(&self) -> Result<Outputs, Failure> {
        let (log, ends) = (self.log()?, self.ends(TIER_CHANGES.name)?);
        let mut outputs = Outputs::new(self.partitions);
        self.wait(async {
            for (partition, end) in (0..).zip(ends) {
                // The birth record, which no reader sees, is the first.
                let mut left = end.saturating_sub(1);
                let mut reader = log.read(TIER_CHANGES.name, partition, 0).await?;
                while left > 0 {
                    let records = reader.next(5_000).await?;
                    left = left.saturating_sub(records.len() as u64);
                    records.iter().for_each(|record| outputs.add(partition, record));
                }
            }
            Ok(outputs)
        })
    }
}

/// A consumer as librdkafka makes it, but for what it would do by itself.
pub fn consumer(brokers: &str, group: &str) -> ClientConfig {
    let settings = BTreeMap::from([
        ("bootstrap.servers", brokers),
        ("group.id", group),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
    ]);
    let mut config = ClientConfig::new();
    settings.into_iter().for_each(|(name, value)| _ = config.set(name, value));
    config
}
