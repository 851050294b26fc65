//! The log: one seam, three backends, the same contract.
//!
//! A topic has partitions; a partition is an append-only sequence of records with ever growing offsets,
//! contiguous except on Kafka.
//! Offset 0 of every partition is its *birth record*, written when the topic is created: it holds the partition's
//! random [`LogId`], by which a log that was replaced or cut is refused instead of being misread. Readers never see
//! it: the first record of data has an offset of at least 1.
//!
//! | backend | for |
//! | --- | --- |
//! | [`memory`] | tests and simulation |
//! | [`embedded`] | `tiermesh up`: SQLite in a data directory, owned by one process |
//! | [`kafka`] | production |
#![forbid(unsafe_code)]

pub mod embedded;
mod groups;
mod headers;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod memory;
mod poison;
mod record;
mod seam;
pub mod topics;

pub use headers::Headers;
pub use record::{LogId, NewRecord, Record};
pub use seam::{
    Ack, Assignment, EventLog, Extent, GroupEvent, GroupMember, LogError, PartitionReader, Producer, StartPartition,
    TopicDifference,
};
