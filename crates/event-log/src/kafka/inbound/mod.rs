//! Topics of others, read by a group that keeps its place in Kafka.
//!
//! Nothing is promised about what stands in them: values may be missing, headers may hold any bytes. A partition is read
//! by whoever holds it; what is [done](InboundPartition::done) with is committed, from time to time and whenever the
//! partition goes to another member. So a record may be read again after a crash, and none is left out.

mod group;
mod record;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use rdkafka::consumer::Consumer as _;
use tokio::sync::mpsc::{Receiver, channel};

use self::group::{InboundDuties, InboundGroup};
pub use self::{group::InboundPartition, record::InboundRecord};
use super::{
    client::{self, Group, PollThread},
    settings::KafkaSettings,
};
use crate::seam::LogError;

/// How long leaving may hold up whoever drops the consumer.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// How many partitions may wait to be read. The polling thread waits with the next.
const MOST_UNHEARD: usize = 64;

/// Where a group begins that has no place in a partition yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InboundStart {
    /// With the first record that is kept.
    #[default]
    Earliest,
    /// With what comes from now on.
    Latest,
}

/// What to read, and as who.
#[derive(Debug, Clone)]
pub struct InboundSettings {
    /// The cluster.
    pub kafka: KafkaSettings,
    /// The group that shares the partitions and keeps the place.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// Where to begin the first time.
    pub start: InboundStart,
}

/// A member of a group that reads topics of others. Dropped, it leaves the group.
pub struct InboundConsumer {
    partitions: Receiver<Result<InboundPartition, LogError>>,
    lags: Lags,
    thread: PollThread,
}

/// How many records each partition that is held is behind, by topic and partition.
type Lags = Arc<Mutex<BTreeMap<(String, u32), u64>>>;

impl InboundConsumer {
    /// Joins the group. The cluster may be away, and topics may be missing: reading begins when they are there.
    ///
    /// # Errors
    /// librdkafka refuses the settings.
    pub fn start(settings: InboundSettings) -> Result<Self, LogError> {
        let InboundSettings { kafka, group, topics, start } = settings;
        let mut config = kafka.consumer(&group);
        config.set(
            "auto.offset.reset",
            match start {
                InboundStart::Earliest => "earliest",
                InboundStart::Latest => "latest",
            },
        );
        // A topic that is made later is found soon; and how far behind each partition is, is asked for.
        for (name, value) in [("topic.metadata.refresh.interval.ms", "10000"), ("statistics.interval.ms", "5000")] {
            if !kafka.extra.iter().any(|(set, _)| set == name) {
                config.set(name, value);
            }
        }
        let (sender, partitions) = channel(MOST_UNHEARD);
        let (stop, lags) = (Arc::new(AtomicBool::new(false)), Lags::default());
        let group = Arc::new(InboundGroup {
            brokers: kafka.brokers,
            topics: topics.clone(),
            partitions: sender,
            consumer: OnceLock::new(),
            held: Mutex::default(),
            lags: Arc::clone(&lags),
        });
        let consumer = client::create(&config, Some(Arc::clone(&group) as Arc<dyn Group>))?;
        // Set once, here.
        let _ = group.consumer.set(Arc::downgrade(&consumer));
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(client::refused)?;
        let thread = PollThread::start("kafka-inbound", consumer, stop, InboundDuties::of(group))?;
        Ok(Self { partitions, lags, thread })
    }

    /// The next partition that this member is to read. Cancel-safe.
    ///
    /// # Errors
    /// The consumer is of no more use: drop it, and start another.
    pub async fn next(&mut self) -> Result<InboundPartition, LogError> {
        self.partitions.recv().await.unwrap_or(Err(LogError::Closed))
    }

    /// How many records each partition that is held is behind, as far as known.
    pub fn lags(&self) -> BTreeMap<(String, u32), u64> {
        self.lags.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for InboundConsumer {
    fn drop(&mut self) {
        self.thread.stop();
        // What was assigned and not begun is given back.
        self.partitions.close();
        while self.partitions.try_recv().is_ok() {}
        self.thread.wait(LEAVE_WITHIN);
    }
}
