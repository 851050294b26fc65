//! A member's part in its group: partitions come, are read by others, and go when those have let go of them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    TopicPartitionList,
    consumer::{CommitMode, Consumer as _, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    statistics::Statistics,
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};
use tokio::sync::mpsc::Sender as EventSender;

use super::{InboundRecord, Lags};
use crate::{
    kafka::{
        client::{Consumer, Duties, Group},
        reader::place,
        slot::Slot,
    },
    seam::LogError,
};

/// How often places are committed.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long a partition that is to go waits for what is on its way. What isn't done by then is read again by the next.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);
/// The same trouble is told once in this time.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// Nothing is done with yet.
const NOTHING: u64 = u64::MAX;

/// A partition that this member reads. To be dropped once [`InboundPartition::next`] says that it goes, and all that was
/// read and can be done with is done with.
pub struct InboundPartition {
    topic: String,
    partition: u32,
    slot: Arc<Slot>,
    next_offset: Arc<AtomicU64>,
    _held: Sender<()>,
}

impl InboundPartition {
    /// Its topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Its number.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// The next records: at least one, at most `max`. Waits until there is one. Cancel-safe.
    ///
    /// # Errors
    /// [`LogError::Closed`] once the group takes the partition away, or this member leaves.
    pub async fn next(&self, max: usize) -> Result<Vec<InboundRecord>, LogError> {
        loop {
            let taken = self.slot.take_as(max, |message| Some(InboundRecord::read(message)))?;
            if let Some(error) = &taken.error {
                // librdkafka goes on by itself: it fetches again, or begins anew as it was told to.
                tracing::warn!("inbound topic `{}`, partition {}: {error}", self.topic, self.partition);
            }
            if !taken.records.is_empty() {
                return Ok(taken.records);
            }
            // Behind an error there may be records already, of which nobody is notified again.
            if taken.error.is_none() {
                self.slot.ready().await;
            }
        }
    }

    /// Whether it is still this member's to read.
    pub fn is_open(&self) -> bool {
        self.slot.take_as(0, |_| None::<()>).is_ok()
    }

    /// All before `next_offset` is done with, and need not be read again.
    pub fn done(&self, next_offset: u64) {
        self.next_offset.store(next_offset, Ordering::Release);
    }
}

/// What is known here of a partition that is read.
pub(super) struct Held {
    slot: Arc<Slot>,
    next_offset: Arc<AtomicU64>,
    committed: u64,
    /// Disconnected when the partition was dropped.
    dropped: Receiver<()>,
}

type ByPlace<T> = BTreeMap<(String, u32), T>;

pub(super) struct InboundGroup {
    pub(super) brokers: String,
    pub(super) topics: Vec<String>,
    pub(super) partitions: EventSender<Result<InboundPartition, LogError>>,
    /// Set when the consumer is made, which is after this.
    pub(super) consumer: OnceLock<Weak<Consumer>>,
    pub(super) held: Mutex<ByPlace<Held>>,
    pub(super) lags: Lags,
}

impl Group for InboundGroup {
    fn rebalance(&self, consumer: &Consumer, what: RDKafkaRespErr, partitions: &TopicPartitionList) {
        let result = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, partitions),
            _ => self.revoke(consumer, partitions),
        };
        if let Err(error) = result {
            let _ = self.partitions.try_send(Err(LogError::Unavailable(format!("{self}: rebalance: {error}"))));
        }
    }

    fn stats(&self, statistics: &Statistics) {
        let held = self.held();
        let mut lags = self.lags.lock().unwrap_or_else(PoisonError::into_inner);
        lags.clear();
        for (topic, partition) in held.keys() {
            let found = statistics.topics.get(topic).and_then(|topic| topic.partitions.get(&(*partition as i32)));
            if let Some(lag) = found.and_then(|found| u64::try_from(found.consumer_lag).ok()) {
                lags.insert((topic.clone(), *partition), lag);
            }
        }
    }
}

impl std::fmt::Display for InboundGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "inbound topics {} of Kafka at {}", self.topics.join(", "), self.brokers)
    }
}

impl InboundGroup {
    fn held(&self) -> MutexGuard<'_, ByPlace<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(&self, consumer: &Consumer, partitions: &TopicPartitionList) -> KafkaResult<()> {
        let owner = self.consumer.get().and_then(Weak::upgrade);
        for element in partitions.elements() {
            let Some(owner) = &owner else { break };
            let (topic, partition) = (element.topic().to_owned(), element.partition() as u32);
            let (slot, next_offset) = (Slot::new(0), Arc::new(AtomicU64::new(NOTHING)));
            // Before it is assigned: see there.
            slot.open(owner, &topic, partition);
            let (alive, dropped) = channel();
            let held =
                Held { slot: Arc::clone(&slot), next_offset: Arc::clone(&next_offset), committed: NOTHING, dropped };
            self.held().insert((topic.clone(), partition), held);
            tracing::info!("inbound topic `{topic}`, partition {partition}: reading");
            let _ = self.partitions.blocking_send(Ok(InboundPartition {
                topic,
                partition,
                slot,
                next_offset,
                _held: alive,
            }));
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
            _ => consumer.assign(partitions),
        }
    }

    fn revoke(&self, consumer: &Consumer, partitions: &TopicPartitionList) -> KafkaResult<()> {
        let going: Vec<(String, u32)> = partitions
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition() as u32))
            .collect();
        // A partition that was lost may be another's already: its place is no longer ours to say.
        self.let_go(consumer, |place| going.contains(place), !consumer.assignment_lost());
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
            _ => consumer.unassign(),
        }
    }

    /// Ends reading of these, waits until they are dropped, and commits how far they came.
    fn let_go(&self, consumer: &Consumer, going: impl Fn(&(String, u32)) -> bool, commit: bool) {
        let mut gone = self.held().extract_if(.., |place, _| going(place)).collect::<ByPlace<Held>>();
        gone.values().for_each(|held| held.slot.close(LogError::Closed));
        if commit {
            let began = Instant::now();
            for held in gone.values() {
                let _ = held.dropped.recv_timeout(LET_GO_WITHIN.saturating_sub(began.elapsed()));
            }
            self.commit(consumer, &mut gone, CommitMode::Sync);
        }
    }

    fn commit(&self, consumer: &Consumer, held: &mut ByPlace<Held>, mode: CommitMode) {
        let mut places = TopicPartitionList::new();
        for ((topic, partition), held) in held {
            let next_offset = held.next_offset.load(Ordering::Acquire);
            if next_offset != held.committed {
                held.committed = next_offset;
                for element in place(topic, [(*partition, next_offset)]).elements() {
                    // It was accepted there.
                    let _ = places.add_partition_offset(topic, element.partition(), element.offset());
                }
            }
        }
        if places.count() > 0
            && let Err(error) = consumer.commit(&places, mode)
        {
            // What isn't committed is read again, and known then.
            tracing::warn!("{self}: the place can't be committed: {error}");
        }
    }
}

/// What the polling thread does besides.
pub(super) struct InboundDuties {
    group: Arc<InboundGroup>,
    looked: Instant,
    told: Option<(String, Instant)>,
}

impl InboundDuties {
    pub(super) fn of(group: Arc<InboundGroup>) -> Self {
        Self { group, looked: Instant::now(), told: None }
    }
}

impl Duties for InboundDuties {
    fn error(&mut self, error: KafkaError) {
        use RDKafkaErrorCode as Code;
        let code = error.rdkafka_error_code();
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) || code == Some(Code::Fatal) {
            let _ = self.group.partitions.try_send(Err(LogError::Unavailable(format!("{}: {error}", self.group))));
            return;
        }
        let trouble = match code {
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
                "at least one of them doesn't exist; create it, or take it out of the inbound file".to_owned()
            }
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::Authentication) => {
                format!("{error}; check the user and its rights on topics and group")
            }
            Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve) => {
                format!("can't be reached: {error}; reading goes on once it answers")
            }
            _ => error.to_string(),
        };
        if !self.told.as_ref().is_some_and(|(told, when)| *told == trouble && when.elapsed() < TELL_EVERY) {
            tracing::warn!("{}: {trouble}", self.group);
            self.told = Some((trouble, Instant::now()));
        }
    }

    fn tick(&mut self, consumer: &Consumer) {
        if self.looked.elapsed() >= COMMIT_EVERY {
            self.looked = Instant::now();
            self.group.commit(consumer, &mut self.group.held(), CommitMode::Async);
        }
    }

    fn finish(&mut self) {
        let owner = self.group.consumer.get().and_then(Weak::upgrade);
        if let Some(consumer) = &owner {
            self.group.let_go(consumer, |_| true, true);
        }
    }
}
