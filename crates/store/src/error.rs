//! What can go wrong, by what the caller can do about it.

use crate::save::Tenure;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another owner acquired the partition since: stop, save nothing.
    #[error(
        "{processor}, partition {partition}: deposed: epoch {held} was held, {current} is in force; another process owns this partition now"
    )]
    Fenced {
        /// The processor.
        processor: String,
        /// Its partition.
        partition: u32,
        /// The epoch this owner holds.
        held: i64,
        /// The epoch in the store; 0 if it knows nothing of this partition.
        current: i64,
    },
    /// The URL is not one of a store.
    #[error("store `{0}`: expected `postgres://…` or `sqlite://…`")]
    BadUrl(String),
    /// The database can't be reached, or refused. Of a write it is not known whether it was done; it may be repeated.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// What was read is not what was saved.
    #[error("{processor}, partition {partition}: corrupt save: {reason}")]
    Corrupt {
        /// The processor.
        processor: String,
        /// Its partition.
        partition: u32,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    pub(crate) fn corrupt(processor: &str, partition: u32, reason: impl Into<String>) -> Self {
        Self::Corrupt { processor: processor.to_owned(), partition, reason: reason.into() }
    }

    pub(crate) fn fenced(tenure: &Tenure, current: i64) -> Self {
        Self::Fenced { processor: tenure.processor.clone(), partition: tenure.partition, held: tenure.epoch, current }
    }
}

/// What ends an operation, before it is known to be said of which database.
pub(crate) enum Failure {
    Sql(sqlx::Error),
    Store(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
