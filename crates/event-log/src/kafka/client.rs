//! A consumer on a thread of its own, and where librdkafka's own words go.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::{ClientConfig, RDKafkaLogLevel},
    consumer::{BaseConsumer, ConsumerContext},
    error::KafkaError,
    statistics::Statistics,
    types::RDKafkaRespErr,
};

use crate::seam::LogError;

pub(super) type Consumer = BaseConsumer<Context>;

/// A group's side of what librdkafka calls back, on the polling thread.
pub(super) trait Group: Send + Sync {
    /// Partitions come or go.
    fn rebalance(&self, consumer: &Consumer, what: RDKafkaRespErr, partitions: &TopicPartitionList);

    /// How it stands, for who asked to be told from time to time.
    fn stats(&self, _statistics: &Statistics) {}
}

/// What librdkafka calls back.
pub(super) struct Context {
    /// `None` for a consumer that assigns partitions to itself.
    pub(super) group: Option<Arc<dyn Group>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The thread that polls hears of it too, and knows whom it concerns.
        tracing::debug!("kafka: {error}: {reason}");
    }

    fn stats(&self, statistics: Statistics) {
        if let Some(group) = &self.group {
            group.stats(&statistics);
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &Consumer, what: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        if let Some(group) = &self.group {
            group.rebalance(consumer, what, partitions);
        }
    }
}

/// librdkafka's log lines among ours.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // It is set on purpose (see settings), and said for every client.
    if facility == "CONFWARN" && message.contains("enable.gapless.guarantee") {
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!("kafka: {facility} {message}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!("kafka: {facility} {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!("kafka: {facility} {message}"),
        RDKafkaLogLevel::Debug => tracing::debug!("kafka: {facility} {message}"),
    }
}

pub(super) fn create(config: &ClientConfig, group: Option<Arc<dyn Group>>) -> Result<Arc<Consumer>, LogError> {
    let consumer = config.create_with_context(Context { group }).map_err(refused)?;
    Ok(Arc::new(consumer))
}

pub(super) fn refused(error: KafkaError) -> LogError {
    LogError::Unavailable(format!("Kafka's settings are refused: {error}"))
}

/// What is to be done besides polling. All of it happens on the polling thread.
pub(super) trait Duties: Send + 'static {
    /// What librdkafka says outside of any partition.
    fn error(&mut self, error: KafkaError) {
        tracing::debug!("kafka: {error}");
    }

    /// Between two polls.
    fn tick(&mut self, _consumer: &Consumer) {}

    /// Gives back what it holds of the consumer, which is closed next.
    fn finish(&mut self) {}
}

/// The thread that polls a consumer, so that it answers the cluster, speaks and is closed. Dropping it ends it.
pub(super) struct PollThread {
    stop: Arc<AtomicBool>,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

/// How soon a thread that has nothing to do sees that it should end.
const POLL: Duration = Duration::from_millis(100);

impl PollThread {
    /// The thread owns the consumer: it closes it at the end, and nobody else may be left who does by dropping it.
    pub(super) fn start(
        name: &str,
        consumer: Arc<Consumer>,
        stop: Arc<AtomicBool>,
        duties: impl Duties,
    ) -> Result<Self, LogError> {
        let (alive, ended) = channel();
        let stopped = Arc::clone(&stop);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(consumer, &stopped, duties, alive))
            .map_err(|error| LogError::Unavailable(format!("no thread for Kafka: {error}")))?;
        Ok(Self { stop, ended: Mutex::new(ended) })
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits until the consumer is closed, but not for ever.
    pub(super) fn wait(&self, at_most: Duration) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(at_most) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("a Kafka consumer is still being closed after {at_most:?}");
        }
    }
}

impl Drop for PollThread {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(consumer: Arc<Consumer>, stop: &AtomicBool, mut duties: impl Duties, alive: Sender<()>) {
    while !stop.load(Ordering::Relaxed) {
        // Records come by the partitions' own queues; one that comes here is of a partition that is not read.
        if let Some(Err(error)) = consumer.poll(POLL) {
            duties.error(error);
        }
        duties.tick(&consumer);
    }
    duties.finish();
    drop(consumer);
    drop(alive);
}
