//! A member of a group within the process, and the readers of what it owns, which end with its hold.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Change, Group, MemberId};
use crate::{
    record::Record,
    seam::{Assignment, EventLog, GroupEvent, GroupMember, LogError, PartitionReader, StartPartition},
};

pub(super) struct Member {
    group: Arc<Group>,
    changed: watch::Receiver<()>,
    id: MemberId,
    topic: String,
    log: Arc<dyn EventLog>,
    /// It was told of its part in the group, be it none.
    greeted: bool,
}

impl Member {
    pub(super) fn new(group: Arc<Group>, id: MemberId, topic: String, log: Arc<dyn EventLog>) -> Self {
        let changed = group.changed.subscribe();
        Self { group, changed, id, topic, log, greeted: false }
    }

    fn event(&self, change: Change) -> GroupEvent {
        match change {
            Change::Lost(partitions) => self.revoked(partitions, true),
            Change::Revoked(partitions) => self.revoked(partitions, false),
            Change::Assigned(partitions) => {
                let assign = |(partition, held)| Assignment {
                    partition,
                    starter: Box::new(Starter {
                        log: Arc::clone(&self.log),
                        topic: self.topic.clone(),
                        partition,
                        held,
                    }),
                };
                GroupEvent::Assigned(partitions.into_iter().map(assign).collect())
            }
        }
    }

    fn revoked(&self, partitions: Vec<u32>, lost: bool) -> GroupEvent {
        let (done, answer) = oneshot::channel();
        let (group, id) = (Arc::clone(&self.group), self.id);
        tokio::spawn(async move {
            // Sent or dropped: both mean that the member is done with them.
            let _ = answer.await;
            if lost { group.heard(id) } else { group.given_up(id) }
        });
        GroupEvent::Revoked { partitions, lost, done }
    }
}

#[async_trait]
impl GroupMember for Member {
    async fn next(&mut self) -> Result<GroupEvent, LogError> {
        loop {
            self.changed.borrow_and_update();
            let is_first = !std::mem::replace(&mut self.greeted, true);
            if let Some(change) = self.group.change(self.id) {
                return Ok(self.event(change));
            }
            if is_first {
                return Ok(GroupEvent::Assigned(Vec::new()));
            }
            self.changed.changed().await.map_err(|_| LogError::Closed)?;
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.group.leave(self.id);
    }
}

struct Starter {
    log: Arc<dyn EventLog>,
    topic: String,
    partition: u32,
    held: CancellationToken,
}

#[async_trait]
impl StartPartition for Starter {
    async fn start(self: Box<Self>, from: u64) -> Result<Box<dyn PartitionReader>, LogError> {
        let reader = self.log.read(&self.topic, self.partition, from).await?;
        Ok(Box::new(HeldReader { reader, held: self.held }))
    }
}

/// Reads as long as the member holds the partition.
struct HeldReader {
    reader: Box<dyn PartitionReader>,
    held: CancellationToken,
}

#[async_trait]
impl PartitionReader for HeldReader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, LogError> {
        tokio::select! {
            biased;
            () = self.held.cancelled() => Err(LogError::Closed),
            records = self.reader.next(max) => records,
        }
    }
}
