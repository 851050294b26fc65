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
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

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
/// librdkafka's `max.poll.interval.ms` unless it is set.
const MAX_POLL_INTERVAL_MS: u64 = 300_000;

pub(super) struct Member {
    events: UnboundedReceiver<Result<GroupEvent, LogError>>,
    thread: PollThread,
}

impl Member {
    pub(super) fn join(cluster: Arc<Cluster>, group: &str, topic: &str) -> Result<Self, LogError> {
        let config = cluster.settings.consumer(group);
        let interval = config.get("max.poll.interval.ms").and_then(|value| value.parse().ok());
        let patience = Duration::from_millis(interval.unwrap_or(MAX_POLL_INTERVAL_MS) / 5 * 4);
        let (sender, events) = unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let rebalancer = Arc::new(Rebalancer {
            cluster: Arc::clone(&cluster),
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
        if fatal || refused {
            let error = self.rebalancer.cluster.unavailable(error);
            let _ = self.rebalancer.events.send(Err(error));
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
