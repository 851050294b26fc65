//! What can go wrong, by what the caller can do about it.

use sqlx::migrate::MigrateError;

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
    /// The consumer's place is not where this owner left it: another took the partition on. Stop, store nothing.
    #[error(
        "{consumer}, topic `{topic}`, partition {partition}: its place was moved by another; that one takes this partition now"
    )]
    Overtaken {
        /// The consumer.
        consumer: String,
        /// The topic.
        topic: String,
        /// Its partition.
        partition: u32,
    },
    /// The URL is not one of a store.
    #[error("store `{0}`: expected `postgres://…` or `sqlite://…`")]
    BadUrl(String),
    /// The database can't be reached, or refused. Of a write it is not known whether it was done; it may be repeated.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database is there, and lets nobody in under this name: waiting won't help. Only opening says so.
    #[error("the database refuses: {0}; check user, password and database name in --store")]
    Refused(String),
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

impl Failure {
    /// What opening makes of it: wrong credentials and an unknown database are for a person to mend.
    pub(crate) fn at_opening(self, database: &str) -> Self {
        let Self::Sql(error) = &self else { return self };
        // The first connection is made for the migrations, which wrap what it meets.
        let error = match error {
            sqlx::Error::Migrate(error) => match &**error {
                MigrateError::Execute(error) => error,
                _ => return self,
            },
            error => error,
        };
        match error {
            // PostgreSQL's classes 28 (invalid authorization) and 3D (invalid catalog name).
            sqlx::Error::Database(error)
                if error.code().is_some_and(|code| code.starts_with("28") || code.starts_with("3D")) =>
            {
                Self::Store(StoreError::Refused(format!("{database}: {error}")))
            }
            _ => self,
        }
    }
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
