//! Questions to the cluster, each with a time-out.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::Consumer as _,
    error::KafkaError,
    types::RDKafkaErrorCode,
};

use super::{
    client::{self, Consumer, Duties, PollThread},
    registry,
    settings::KafkaSettings,
};
use crate::seam::LogError;

pub(super) struct Cluster {
    pub(super) settings: KafkaSettings,
    /// For questions, and for reading birth records.
    pub(super) consumer: Arc<Consumer>,
    /// Held by whoever has assigned partitions to that consumer.
    pub(super) assigning: std::sync::Mutex<()>,
    _thread: PollThread,
}

/// Only polls.
pub(super) struct NoDuties;

impl Duties for NoDuties {}

const RETRY: Duration = Duration::from_millis(50);

impl Cluster {
    pub(super) fn new(settings: KafkaSettings) -> Result<Arc<Self>, LogError> {
        let mut config = settings.consumer("tiermesh.questions");
        // It reads single records at the beginning of partitions that may be large.
        config.set("max.partition.fetch.bytes", "65536");
        // A broker answers one request of a connection after the other: a fetch that waits for records would hold up
        // every question after it.
        config.set("fetch.wait.max.ms", "5");
        let consumer = client::create(&config, None)?;
        let thread =
            PollThread::start("kafka-questions", Arc::clone(&consumer), Arc::new(AtomicBool::new(false)), NoDuties)?;
        Ok(Arc::new(Self { settings, consumer, assigning: std::sync::Mutex::new(()), _thread: thread }))
    }

    /// Asks in a thread that may block: librdkafka's questions do.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Self) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let cluster = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || question(&cluster)).await;
        answer.unwrap_or_else(|error| Err(LogError::Unavailable(error.to_string())))
    }

    pub(super) fn unavailable(&self, what: impl std::fmt::Display) -> LogError {
        LogError::Unavailable(format!("Kafka at {}: {what}", self.settings.brokers))
    }

    /// Asks again what fails for a reason that passes, as a new leader or a broker that comes back, until time is up.
    fn insist<T>(&self, ask: impl Fn(Duration) -> Result<T, RDKafkaErrorCode>) -> Result<T, RDKafkaErrorCode> {
        use RDKafkaErrorCode as Code;
        let start = Instant::now();
        loop {
            let left = self.settings.timeout.saturating_sub(start.elapsed());
            let error = match ask(left.max(RETRY)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passes = matches!(
                error,
                Code::BrokerTransportFailure
                    | Code::AllBrokersDown
                    | Code::LeaderNotAvailable
                    | Code::NotLeaderForPartition
                    | Code::OperationTimedOut
                    | Code::RequestTimedOut
                    | Code::UnknownTopic
                    | Code::UnknownPartition
            );
            if !passes || left < RETRY {
                return Err(error);
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Fails unless a broker answers.
    pub(super) async fn reach(self: &Arc<Self>) -> Result<(), LogError> {
        self.ask(|cluster| {
            let ask = |left| cluster.consumer.fetch_metadata(Some(registry::TOPIC), left).map_err(|error| code(&error));
            cluster.insist(ask).map(drop).map_err(|error| cluster.unavailable(error))
        })
        .await
    }

    pub(super) async fn partitions(self: &Arc<Self>, topic: &str) -> Result<u32, LogError> {
        let topic = topic.to_owned();
        self.ask(move |cluster| cluster.count_partitions(&topic)).await
    }

    fn count_partitions(&self, topic: &str) -> Result<u32, LogError> {
        let ask = |left| {
            let metadata = self.consumer.fetch_metadata(Some(topic), left).map_err(|error| code(&error))?;
            let found = metadata.topics().first().ok_or(RDKafkaErrorCode::UnknownTopicOrPartition)?;
            match found.error() {
                Some(error) => Err(error.into()),
                None => Ok(found.partitions().len() as u32),
            }
        };
        self.insist(ask).map_err(|error| match error {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::InvalidTopic => {
                LogError::NoSuchTopic(topic.to_owned())
            }
            error => self.unavailable(error),
        })
    }

    /// The first offset held and the one after the last.
    pub(super) async fn offsets(self: &Arc<Self>, topic: &str, partition: u32) -> Result<(u64, u64), LogError> {
        let topic = topic.to_owned();
        self.ask(move |cluster| {
            if partition >= cluster.count_partitions(&topic)? {
                return Err(LogError::NoSuchPartition { topic, partition });
            }
            cluster.watermarks(&topic, partition)
        })
        .await
    }

    /// The same of all partitions.
    pub(super) async fn all_offsets(self: &Arc<Self>, topic: &str) -> Result<Vec<(u64, u64)>, LogError> {
        let topic = topic.to_owned();
        self.ask(move |cluster| {
            let partitions = cluster.count_partitions(&topic)?;
            (0..partitions).map(|partition| cluster.watermarks(&topic, partition)).collect()
        })
        .await
    }

    fn watermarks(&self, topic: &str, partition: u32) -> Result<(u64, u64), LogError> {
        let ask = |left| {
            let offsets = self.consumer.fetch_watermarks(topic, partition as i32, left);
            offsets.map_err(|error| code(&error))
        };
        let (low, high) = self.insist(ask).map_err(|error| self.unavailable(error))?;
        // Never negative once the cluster answered.
        Ok((low.max(0) as u64, high.max(0) as u64))
    }

    /// The offset at which to begin when told to read from `from`.
    pub(super) async fn begin(self: &Arc<Self>, topic: &str, partition: u32, from: u64) -> Result<u64, LogError> {
        let (start, end) = self.offsets(topic, partition).await?;
        let begin = from.max(1);
        if begin < start || begin > end {
            return Err(LogError::OutOfRange { topic: topic.to_owned(), partition, offset: from, start, end });
        }
        Ok(begin)
    }

    /// Runs an administrative request.
    pub(super) async fn administer<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl AsyncFnOnce(AdminClient<DefaultClientContext>, AdminOptions) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, LogError> {
        let runtime = tokio::runtime::Handle::current();
        self.ask(move |cluster| {
            let timeout = Some(cluster.settings.timeout);
            let options = AdminOptions::new().request_timeout(timeout).operation_timeout(timeout);
            // Made for the one request: nobody polls what an idle one has to say. Ending it blocks.
            let client = cluster.settings.client().create().map_err(client::refused)?;
            runtime.block_on(work(client, options)).map_err(|error| cluster.unavailable(error))
        })
        .await
    }
}

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
}
