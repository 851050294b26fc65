//! The seam: what a backend has to do, and what every user may rely on.

use std::pin::Pin;

use async_trait::async_trait;

use crate::{
    record::{LogId, NewRecord, Record},
    topics::TopicSpec,
};

/// What can go wrong with a log. `Display` says what to do where something can be done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The topic does not exist.
    #[error("topic `{0}` does not exist; create it with `tiermesh topics --create`")]
    NoSuchTopic(String),
    /// The topic has no such partition.
    #[error("topic `{topic}` has no partition {partition}")]
    NoSuchPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: u32,
    },
    /// An offset lies outside of what the partition holds: the log was cut.
    #[error(
        "topic `{topic}`, partition {partition}: offset {offset} is not in the log, which holds {start}..{end}; the log was cut or replaced"
    )]
    OutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset asked for.
        offset: u64,
        /// First offset held.
        start: u64,
        /// Offset after the last one held.
        end: u64,
    },
    /// A delivery failed, now or earlier on this producer: which of its unacknowledged records stand in the log is
    /// unknown. The producer is of no more use; start anew from the last save.
    #[error("delivery failed: {0}")]
    DeliveryFailed(String),
    /// The log can't be reached, or refused.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// The data directory is owned by another process.
    #[error("{0}")]
    Locked(String),
    /// Another process joined the group under this one's name, and took its place.
    #[error(
        "another process has joined group `{group}` as instance `{instance}`: give each process of a service an --instance of its own"
    )]
    SameInstance {
        /// The group.
        group: String,
        /// The name both go by.
        instance: String,
    },
    /// What was read is not what a log of ours holds.
    #[error("corrupt log: {0}")]
    Corrupt(String),
    /// The log was closed: the process is stopping, or this member left its group.
    #[error("the log is closed")]
    Closed,
}

/// What a partition holds: offsets `start..end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Identity of this partition's log.
    pub log_id: LogId,
    /// First offset held (0, the birth record, unless someone removed records).
    pub start: u64,
    /// Offset that the next record will get.
    pub end: u64,
}

/// How a topic in the log differs from its definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDifference {
    /// The topic.
    pub topic: String,
    /// What differs: `missing`, `partitions`, or the name of a setting.
    pub what: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// Resolves once the records of one `send` are durable, with the offset of the last of them.
pub type Ack = Pin<Box<dyn Future<Output = Result<u64, LogError>> + Send>>;

/// A log with topics and partitions.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// What OpenTelemetry calls this kind of log (`messaging.system`).
    fn system(&self) -> &'static str {
        "tiermesh"
    }

    /// Creates the topics that are missing, each with its birth records, and writes birth records that a crash left
    /// out. Never changes a topic that exists. Returns what still differs from the definitions.
    async fn create_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError>;

    /// Compares the topics with their definitions and changes nothing.
    async fn check_topics(&self, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError>;

    /// How many partitions the topic has.
    async fn partitions(&self, topic: &str) -> Result<u32, LogError>;

    /// What the partition holds now.
    async fn extent(&self, topic: &str, partition: u32) -> Result<Extent, LogError>;

    /// A producer of its own: its failure is not another's.
    async fn producer(&self, name: &str) -> Result<Box<dyn Producer>, LogError>;

    /// Reads the partition from `from` on (0 and 1 both begin with the first record of data), outside of any group.
    /// `OutOfRange` if `from` is above the end or below the start.
    async fn read(&self, topic: &str, partition: u32, from: u64) -> Result<Box<dyn PartitionReader>, LogError>;

    /// Joins the group that shares the topic's partitions between its members.
    async fn join(&self, group: &str, topic: &str) -> Result<Box<dyn GroupMember>, LogError>;
}

/// Appends records, in the order of the calls.
#[async_trait]
pub trait Producer: Send + Sync {
    /// Hands the records over for appending to one partition, in order and without a gap, after everything sent to
    /// that partition before. Waits while the producer's buffer is full. The returned [`Ack`] resolves when all of
    /// them are durable; dropping it does not take them back, and neither does dropping the producer while an
    /// `Ack` is awaited. No records are acknowledged at once, with offset 0.
    ///
    /// After a failed delivery every `Ack` not yet resolved, and every later `send`, fails with
    /// [`LogError::DeliveryFailed`].
    async fn send(&self, topic: &str, partition: u32, records: Vec<NewRecord>) -> Result<Ack, LogError>;
}

/// Reads one partition, in order, without a gap.
#[async_trait]
pub trait PartitionReader: Send {
    /// The next records: at least one, at most `max`. Waits until there is one. Cancel-safe.
    ///
    /// Fails with [`LogError::Closed`] once the group has taken the partition away.
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, LogError>;

    /// From here on records may come without their headers, unless they carry a recorded trace: for folds, who look at
    /// headers for the sake of traces alone. Of topics whose records don't say so ([`NewRecord::carry_trace`]) all come
    /// with them.
    fn skip_headers(&mut self) {}
}

/// A member of a group. Dropping it leaves the group.
#[async_trait]
pub trait GroupMember: Send {
    /// What happens next to this member's partitions. Must be called again soon after each event: while it isn't,
    /// the group can't rebalance. Cancel-safe.
    async fn next(&mut self) -> Result<GroupEvent, LogError>;
}

/// A change of what a member owns.
pub enum GroupEvent {
    /// These partitions are this member's from now on. Each waits to be told where to begin. The first one of a member
    /// may be empty: it takes part, and there is no partition for it yet.
    Assigned(Vec<Assignment>),
    /// These partitions go to another member as soon as `done` is sent or dropped. Until then no partition of this
    /// member may get new records, and afterwards the readers of these fail with [`LogError::Closed`].
    Revoked {
        /// The partitions.
        partitions: Vec<u32>,
        /// True if they are gone already (the group gave up on this member): another may be folding them, so nothing
        /// may be saved.
        lost: bool,
        /// To be sent when the state is saved and forgotten.
        done: tokio::sync::oneshot::Sender<()>,
    },
}

/// A partition that was assigned and waits for its start.
#[async_trait]
pub trait StartPartition: Send {
    /// Begins reading at `from`, as [`EventLog::read`] does; [`LogError::Closed`] if the partition is gone already.
    async fn start(self: Box<Self>, from: u64) -> Result<Box<dyn PartitionReader>, LogError>;
}

/// One assigned partition.
pub struct Assignment {
    /// Its number.
    pub partition: u32,
    /// Tell it where to begin once the save is loaded.
    pub starter: Box<dyn StartPartition>,
}
