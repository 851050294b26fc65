//! A producer: idempotent, acknowledged by all replicas in sync, and never giving up.

use std::{
    collections::HashMap,
    future::ready,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{DeliveryResult, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig},
    types::RDKafkaErrorCode,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{client, cluster::Cluster};
use crate::{
    poison::Poison,
    record::NewRecord,
    seam::{Ack, LogError, Producer},
};

/// How many bytes may be unacknowledged.
const BUFFER_BYTES: usize = 32 << 20;
/// What a record weighs besides its key and value.
const OVERHEAD: usize = 200;
/// Room is made for so many headers; more fit too.
const USUAL_HEADERS: usize = 8;
const POLL: Duration = Duration::from_millis(50);
/// How long a producer that was dropped goes on delivering.
const LAST_WORDS: Duration = Duration::from_secs(30);

type Native = BaseProducer<Context>;

pub(super) struct KafkaProducer {
    cluster: Arc<Cluster>,
    native: Arc<Native>,
    poison: Arc<Poison>,
    room: Arc<Semaphore>,
    /// Partitions of the topics that were sent to. They never change.
    topics: Mutex<HashMap<String, u32>>,
    /// Held while the records of one `send` are handed over, so that they stay together.
    order: Mutex<()>,
    /// After `native`: the thread is to be the last who has it, for letting go of it blocks.
    _dropped: SetOnDrop,
}

impl KafkaProducer {
    pub(super) fn new(cluster: Arc<Cluster>, name: &str) -> Result<Self, LogError> {
        let poison = Arc::new(Poison::default());
        let context = Context { poison: Arc::clone(&poison) };
        let native: Native = cluster.settings.producer().create_with_context(context).map_err(client::refused)?;
        let native = Arc::new(native);
        let dropped = Arc::new(AtomicBool::new(false));
        let deliver = {
            let (native, poison, dropped) = (Arc::clone(&native), Arc::clone(&poison), Arc::clone(&dropped));
            move || deliver(&native, &poison, &dropped)
        };
        std::thread::Builder::new()
            .name(format!("kafka-{name}"))
            .spawn(deliver)
            .map_err(|error| LogError::Unavailable(format!("no thread for Kafka: {error}")))?;
        let room = Arc::new(Semaphore::new(BUFFER_BYTES));
        Ok(Self {
            cluster,
            native,
            poison,
            room,
            topics: Mutex::default(),
            order: Mutex::default(),
            _dropped: SetOnDrop(dropped),
        })
    }

    async fn check_target(&self, topic: &str, partition: u32) -> Result<(), LogError> {
        let known = self.topics.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        let partitions = match known {
            Some(partitions) => partitions,
            None => {
                let partitions = self.cluster.partitions(topic).await?;
                let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
                topics.insert(topic.to_owned(), partitions);
                partitions
            }
        };
        if partition >= partitions {
            return Err(LogError::NoSuchPartition { topic: topic.to_owned(), partition });
        }
        Ok(())
    }

    fn hand_over(
        &self,
        topic: &str,
        partition: u32,
        records: &[NewRecord],
        pending: Arc<Pending>,
    ) -> Result<(), LogError> {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        self.poison.check()?;
        for record in records {
            let mut headers = OwnedHeaders::new_with_capacity(USUAL_HEADERS);
            for (key, value) in record.headers.iter() {
                headers = headers.insert(rdkafka::message::Header { key, value: Some(value) });
            }
            let mut message = BaseRecord::with_opaque_to(topic, Arc::clone(&pending))
                .partition(partition as i32)
                .payload(&record.value[..])
                .headers(headers);
            if !record.key.is_empty() {
                message = message.key(&record.key[..]);
            }
            if let Err((error, _)) = self.native.send(message) {
                // Those before it are on their way.
                self.poison.poison(format!("topic `{topic}`, partition {partition}: {error}"));
                return self.poison.check();
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Producer for KafkaProducer {
    async fn send(&self, topic: &str, partition: u32, records: Vec<NewRecord>) -> Result<Ack, LogError> {
        self.poison.check()?;
        self.check_target(topic, partition).await?;
        if records.is_empty() {
            return Ok(Box::pin(ready(Ok(0))));
        }
        let bytes: usize =
            records.iter().map(|record| record.key.len() + record.value.len() + record.headers.size() + OVERHEAD).sum();
        let room = Arc::clone(&self.room).acquire_many_owned(bytes.min(BUFFER_BYTES) as u32);
        let room = tokio::select! {
            biased;
            error = self.poison.poisoned() => return Err(error),
            room = room => room.map_err(|_| LogError::Closed)?,
        };
        let (ack, acked) = oneshot::channel();
        let pending = Arc::new(Pending {
            remaining: AtomicUsize::new(records.len()),
            last: AtomicU64::new(0),
            ack: Mutex::new(Some(ack)),
            _room: room,
        });
        self.hand_over(topic, partition, &records, pending)?;
        let poison = Arc::clone(&self.poison);
        Ok(Box::pin(async move {
            tokio::select! {
                biased;
                Ok(result) = acked => result,
                error = poison.poisoned() => Err(error),
            }
        }))
    }
}

/// Tells the thread that the producer was dropped.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// One `send` whose records are on their way.
struct Pending {
    remaining: AtomicUsize,
    /// The highest offset so far.
    last: AtomicU64,
    ack: Mutex<Option<oneshot::Sender<Result<u64, LogError>>>>,
    _room: OwnedSemaphorePermit,
}

struct Context {
    poison: Arc<Poison>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => self.poison.poison(reason),
            // Said again every second while no broker answers. Whoever waits for one says so, and how long.
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
                tracing::debug!("kafka: {error}: {reason}");
            }
            _ => tracing::warn!("kafka: {error}: {reason}"),
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Arc<Pending>) {
        match result {
            Ok(message) => {
                pending.last.fetch_max(message.offset() as u64, Ordering::Relaxed);
                if pending.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
                    let ack = pending.ack.lock().unwrap_or_else(PoisonError::into_inner).take();
                    // Nobody may wait for it.
                    let _ = ack.map(|ack| ack.send(Ok(pending.last.load(Ordering::Relaxed))));
                }
            }
            // Poison fails all acknowledgements that are pending, this one too.
            Err((error, message)) => {
                let (topic, partition) = (message.topic(), message.partition());
                self.poison.poison(format!("topic `{topic}`, partition {partition}: {error}"));
            }
        }
    }
}

/// The thread: serves delivery reports until the producer was dropped and nothing is pending.
fn deliver(native: &Native, poison: &Poison, dropped: &AtomicBool) {
    let mut since = None;
    loop {
        native.poll(POLL);
        if poison.check().is_err() {
            // What waits here must not be sent after the gap; what is under way is given up.
            native.purge(PurgeConfig::default().queue().inflight());
        }
        if dropped.load(Ordering::Acquire) {
            let since = since.get_or_insert_with(Instant::now);
            if native.in_flight_count() == 0 {
                return;
            }
            if since.elapsed() > LAST_WORDS {
                poison.poison("the producer was dropped, and Kafka did not take its records in time");
                return;
            }
        }
    }
}
