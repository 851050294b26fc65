//! A rebalance, as seen by one member: partitions come with the question where to begin, and go when they are given up.
//!
//! librdkafka calls this on the member's polling thread and goes on when it returns. The member may take its time to
//! load or save its state, but less than `max.poll.interval.ms`, after which the group would give up on it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::{
    TopicPartitionList,
    consumer::{Consumer as _, RebalanceProtocol},
    error::KafkaResult,
    types::RDKafkaRespErr,
};
use tokio::sync::{
    mpsc,
    oneshot::{self, error::TryRecvError},
};

use super::{
    client::{Consumer, Group},
    cluster::Cluster,
    reader::{Reader, place},
    slot::Slot,
};
use crate::seam::{Assignment, GroupEvent, LogError, PartitionReader, StartPartition};

/// How soon a member that waits sees that it should end.
const LOOK: Duration = Duration::from_millis(10);

pub(super) struct Rebalancer {
    pub(super) cluster: Arc<Cluster>,
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) events: mpsc::Sender<Result<GroupEvent, LogError>>,
    /// Set when the consumer is made, which is after this.
    pub(super) consumer: OnceLock<Weak<Consumer>>,
    /// Of the partitions that are read.
    pub(super) slots: Mutex<BTreeMap<u32, Arc<Slot>>>,
    /// It was told of its part in the group, be it none.
    pub(super) greeted: AtomicBool,
    /// The member is leaving: nobody is asked any more.
    pub(super) stop: Arc<AtomicBool>,
    /// How long a member may take to begin or to give up.
    pub(super) patience: Duration,
}

/// A partition that was started.
struct Start {
    partition: u32,
    from: u64,
    slot: Arc<Slot>,
}

impl Group for Rebalancer {
    fn rebalance(&self, consumer: &Consumer, what: RDKafkaRespErr, partitions: &TopicPartitionList) {
        let mut partitions: Vec<u32> = partitions.elements().iter().map(|element| element.partition() as u32).collect();
        partitions.sort_unstable();
        let result = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, &partitions),
            _ => self.revoke(consumer, partitions),
        };
        if let Err(error) = result {
            let _ = self.events.try_send(Err(self.cluster.unavailable(format!("rebalance: {error}"))));
        }
    }
}

impl Rebalancer {
    pub(super) fn slots(&self) -> MutexGuard<'_, BTreeMap<u32, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn assign(&self, consumer: &Consumer, partitions: &[u32]) -> KafkaResult<()> {
        let mut started = Vec::new();
        let is_first = !self.greeted.swap(true, Ordering::Relaxed);
        if (!partitions.is_empty() || is_first) && !self.stopped() {
            let (starts, started_here) = channel();
            let _ = self.events.blocking_send(Ok(GroupEvent::Assigned(self.assignments(partitions, starts))));
            started = self.wait_for_starts(&started_here);
        }
        // Partitions whose start was given up stay this member's, and are not read.
        let places = place(&self.topic, started.iter().map(|start| (start.partition, start.from)));
        if let Some(owner) = self.consumer.get().and_then(Weak::upgrade) {
            for start in started {
                start.slot.open(&owner, &self.topic, start.partition);
                self.slots().insert(start.partition, start.slot);
            }
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&places),
            _ => consumer.assign(&places),
        }
    }

    fn assignments(&self, partitions: &[u32], starts: Sender<Start>) -> Vec<Assignment> {
        let assignment = |partition: &u32| Assignment {
            partition: *partition,
            starter: Box::new(Starter {
                cluster: Arc::clone(&self.cluster),
                topic: self.topic.clone(),
                partition: *partition,
                starts: starts.clone(),
            }),
        };
        partitions.iter().map(assignment).collect()
    }

    /// Until each was started or given up, which drops its sender.
    fn wait_for_starts(&self, starts: &Receiver<Start>) -> Vec<Start> {
        let mut started = Vec::new();
        let since = Instant::now();
        loop {
            match starts.recv_timeout(LOOK) {
                Ok(start) => started.push(start),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if self.stopped() => break,
                Err(RecvTimeoutError::Timeout) if since.elapsed() > self.patience => {
                    tracing::error!("topic `{}`: partitions were not started in {:?}", self.topic, self.patience);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        started
    }

    fn revoke(&self, consumer: &Consumer, partitions: Vec<u32>) -> KafkaResult<()> {
        let lost = consumer.assignment_lost();
        if lost {
            self.close(&partitions);
        }
        if !self.stopped() && !partitions.is_empty() {
            let (done, given_up) = oneshot::channel();
            let partitions = partitions.clone();
            let _ = self.events.blocking_send(Ok(GroupEvent::Revoked { partitions, lost, done }));
            if !lost {
                self.wait_until_given_up(given_up);
            }
        }
        let read: Vec<u32> = self.slots().keys().copied().filter(|partition| partitions.contains(partition)).collect();
        self.close(&partitions);
        let places = place(&self.topic, read.into_iter().map(|partition| (partition, 0)));
        {
            let mut slots = self.slots();
            slots.retain(|partition, _| !partitions.contains(partition));
        }
        match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(&places),
            _ => consumer.unassign(),
        }
    }

    fn wait_until_given_up(&self, mut given_up: oneshot::Receiver<()>) {
        let since = Instant::now();
        while given_up.try_recv() == Err(TryRecvError::Empty) && !self.stopped() {
            if since.elapsed() > self.patience {
                tracing::error!("topic `{}`: partitions were not given up in {:?}", self.topic, self.patience);
                break;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn close(&self, partitions: &[u32]) {
        for (partition, slot) in &*self.slots() {
            if partitions.contains(partition) {
                slot.close(LogError::Closed);
            }
        }
    }

    pub(super) fn close_all(&self) {
        self.slots().values().for_each(|slot| slot.close(LogError::Closed));
    }
}

struct Starter {
    cluster: Arc<Cluster>,
    topic: String,
    partition: u32,
    starts: Sender<Start>,
}

#[async_trait]
impl StartPartition for Starter {
    async fn start(self: Box<Self>, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        let begin = self.cluster.begin(&self.topic, self.partition, from).await?;
        let slot = Slot::new(begin);
        let start = Start { partition: self.partition, from: begin, slot: Arc::clone(&slot) };
        // Nobody waits if the member left, or took too long.
        self.starts.send(start).map_err(|_| LogError::Closed)?;
        let Self { cluster, topic, partition, .. } = *self;
        Ok(Box::new(Reader { cluster, slot, topic, partition, failed: None, thread: None, skip_headers: false }))
    }
}
