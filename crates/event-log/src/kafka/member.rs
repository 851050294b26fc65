//! A member of a consumer group: a consumer on a thread of its own, whose events come by a channel.

use std::{
    sync::{Arc, Mutex, OnceLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::{
    consumer::{CommitMode, Consumer as _},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use tokio::sync::mpsc::{Receiver, channel};

use super::{
    client::{self, Consumer, Duties, Group, PollThread},
    cluster::Cluster,
    reader::place,
    rebalance::Rebalancer,
};
use crate::seam::{GroupEvent, GroupMember, LogError};

/// How often positions are committed. Only monitoring reads them.
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// How long leaving may hold up whoever drops the member. A member that didn't leave would be missed only when its
/// session ends, and its partitions would stand still until then.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// How many events may wait to be heard. The polling thread waits with the next, as it does for the answer to most of them.
const MOST_EVENTS: usize = 16;
/// librdkafka's `max.poll.interval.ms` unless it is set.
const MAX_POLL_INTERVAL_MS: u64 = 300_000;

pub(super) struct Member {
    events: Receiver<Result<GroupEvent, LogError>>,
    thread: PollThread,
}

impl Member {
    pub(super) fn join(cluster: Arc<Cluster>, group: &str, topic: &str) -> Result<Self, LogError> {
        let config = cluster.settings.member(group);
        let interval = config.get("max.poll.interval.ms").and_then(|value| value.parse().ok());
        let patience = Duration::from_millis(interval.unwrap_or(MAX_POLL_INTERVAL_MS) / 5 * 4);
        let (sender, events) = channel(MOST_EVENTS);
        let stop = Arc::new(AtomicBool::new(false));
        let rebalancer = Arc::new(Rebalancer {
            cluster: Arc::clone(&cluster),
            group: group.to_owned(),
            topic: topic.to_owned(),
            events: sender,
            consumer: OnceLock::new(),
            slots: Mutex::default(),
            greeted: AtomicBool::new(false),
            stop: Arc::clone(&stop),
            patience,
        });
        let consumer = client::create(&config, Some(Arc::clone(&rebalancer) as Arc<dyn Group>))?;
        // Set once, here.
        let _ = rebalancer.consumer.set(Arc::downgrade(&consumer));
        consumer.subscribe(&[topic]).map_err(|error| cluster.unavailable(error))?;
        let duties = MemberDuties { rebalancer, committed: Instant::now(), positions: Vec::new() };
        let thread = PollThread::start("kafka-member", consumer, stop, duties)?;
        Ok(Self { events, thread })
    }
}

#[async_trait]
impl GroupMember for Member {
    async fn next(&mut self) -> Result<GroupEvent, LogError> {
        self.events.recv().await.unwrap_or(Err(LogError::Closed))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.thread.stop();
        // Whoever waits to be told where to begin is told nothing more.
        self.events.close();
        while self.events.try_recv().is_ok() {}
        self.thread.wait(LEAVE_WITHIN);
    }
}

struct MemberDuties {
    rebalancer: Arc<Rebalancer>,
    committed: Instant,
    /// What was committed last.
    positions: Vec<(u32, u64)>,
}

impl Duties for MemberDuties {
    fn error(&mut self, error: KafkaError) {
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        let refused = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::Fatal
            )
        );
        let is_fenced = error.rdkafka_error_code() == Some(RDKafkaErrorCode::FencedInstanceId);
        if fatal || refused || is_fenced {
            let rebalancer = &self.rebalancer;
            let error = match &rebalancer.cluster.settings.instance {
                Some(instance) if is_fenced => {
                    LogError::SameInstance { group: rebalancer.group.clone(), instance: instance.clone() }
                }
                _ => rebalancer.cluster.unavailable(error),
            };
            // With so many unheard one more makes no difference.
            let _ = rebalancer.events.try_send(Err(error));
        } else if let Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) =
            error.rdkafka_error_code()
        {
            // librdkafka logs by itself which broker it can't reach, and says this ten times a second.
            tracing::debug!("kafka: topic `{}`: {error}", self.rebalancer.topic);
        } else {
            tracing::warn!("kafka: topic `{}`: {error}", self.rebalancer.topic);
        }
    }

    fn tick(&mut self, consumer: &Consumer) {
        if self.committed.elapsed() < COMMIT_EVERY {
            return;
        }
        self.committed = Instant::now();
        let positions: Vec<(u32, u64)> =
            self.rebalancer.slots().iter().map(|(partition, slot)| (*partition, slot.position())).collect();
        if !positions.is_empty() && positions != self.positions {
            let places = place(&self.rebalancer.topic, positions.iter().copied());
            if let Err(error) = consumer.commit(&places, CommitMode::Async) {
                tracing::debug!("kafka: {error}");
            }
            self.positions = positions;
        }
    }

    fn finish(&mut self) {
        self.rebalancer.close_all();
    }
}
