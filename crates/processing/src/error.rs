//! Why a partition, or a service, stops.

use tiermesh_domain::fold::FoldError;
use tiermesh_event_log::LogError;
use tiermesh_store::StoreError;

/// Why a partition, or a service, stops.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store failed, or another owner took over.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record can't be folded.
    #[error("topic `{topic}`, partition {partition}, offset {offset}: {error}")]
    Fold {
        /// The input topic.
        topic: String,
        /// Its partition.
        partition: u32,
        /// The record.
        offset: u64,
        /// What is wrong.
        error: FoldError,
    },
    /// A record can't be read by a consumer.
    #[error("{consumer}: topic `{topic}`, partition {partition}: {error}")]
    Unreadable {
        /// The consumer.
        consumer: String,
        /// The topic.
        topic: String,
        /// Its partition.
        partition: u32,
        /// Which record, and what is wrong with it.
        error: LogError,
    },
    /// The log is not the one that the save was made of.
    #[error(
        "{service}, partition {partition}: the save belongs to another log: {what}. Restore the log the save was made of, or remove the saves of `{service}` to fold the log from its beginning"
    )]
    ForeignLog {
        /// The service.
        service: String,
        /// The partition.
        partition: u32,
        /// What differs.
        what: String,
    },
    /// The log is not the one that a consumer's place is in.
    #[error(
        "{consumer}: topic `{topic}`, partition {partition} is another log than the one taken so far: {what}. Restore that log, or remove the places of `{consumer}` to take this one from its beginning"
    )]
    ForeignPlace {
        /// The consumer.
        consumer: String,
        /// The topic.
        topic: String,
        /// Its partition.
        partition: u32,
        /// What differs.
        what: String,
    },
    /// A number is missing among what a service says.
    #[error(
        "{consumer}: topic `{topic}`, partition {partition}, offset {offset}: number {found} of {source_of} follows where {expected} is due: records are missing. Restore the log; nothing was taken of them"
    )]
    Gap {
        /// The consumer.
        consumer: String,
        /// The topic.
        topic: String,
        /// Its partition.
        partition: u32,
        /// The record that shows it.
        offset: u64,
        /// Who numbered the record: `service/partition`.
        source_of: String,
        /// The number that is due.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A save can't be read.
    #[error(
        "{service}, partition {partition}: the save can't be read: {reason}. Remove the saves of `{service}` to fold the log from its beginning"
    )]
    BadSave {
        /// The service.
        service: String,
        /// The partition.
        partition: u32,
        /// What is wrong.
        reason: String,
    },
}

impl RunError {
    /// Whether one record can't be read, by this release or any other: its partition stops there, and the others go on.
    pub(crate) fn is_of_a_record(&self) -> bool {
        matches!(self, Self::Fold { error: FoldError::Corrupt(_), .. } | Self::Unreadable { .. })
    }

    /// Whether starting anew from the last save can mend it.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Log(error) => matches!(
                error,
                LogError::DeliveryFailed(_) | LogError::Unavailable(_) | LogError::Closed | LogError::NoSuchTopic(_)
            ),
            Self::Store(error) => {
                matches!(error, StoreError::Fenced { .. } | StoreError::Overtaken { .. } | StoreError::Unavailable(_))
            }
            Self::Fold { .. }
            | Self::Unreadable { .. }
            | Self::ForeignLog { .. }
            | Self::BadSave { .. }
            | Self::ForeignPlace { .. }
            | Self::Gap { .. } => false,
        }
    }
}
