//! The database behind the store: running statements on whichever it is, and telling how it fails.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgPool, SqlitePool};

use crate::connect;
use crate::error::{Failure, StoreError};
use crate::memory::MemoryPool;

/// Above all that the database limits by itself: only a connection that died without a word comes to this.
const OPERATION_LIMIT: Duration = Duration::from_secs(90);
/// After so long somebody is told that it is being waited for.
const SLOW: Duration = Duration::from_secs(5);

/// Where partitions keep their saves. Clones share their connections.
#[derive(Debug, Clone)]
pub struct SaveStore {
    pub(crate) pool: Pool,
    /// Host and database, or file; never a password.
    pub(crate) name: Arc<str>,
}

#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
    Memory(MemoryPool),
}

/// Runs the same statements in one transaction of whichever database it is. An error rolls it back.
macro_rules! in_transaction {
    ($store:expr, |$transaction:ident| $body:expr) => {
        match &$store.pool {
            $crate::database::Pool::Postgres(pool) => {
                let mut $transaction = pool.begin().await?;
                let result = $body;
                $transaction.commit().await?;
                Ok(result)
            }
            $crate::database::Pool::Sqlite(pool) => {
                // A transaction that begins by reading could not become a writing one while another writes.
                let mut $transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
                let result = $body;
                $transaction.commit().await?;
                Ok(result)
            }
            $crate::database::Pool::Memory(_) => return Err($crate::database::not_in_memory()),
        }
    };
}
pub(crate) use in_transaction;

/// Runs one statement on whichever database it is.
macro_rules! on_pool {
    ($store:expr, |$pool:ident| $statement:expr) => {
        match &$store.pool {
            $crate::database::Pool::Postgres($pool) => $statement,
            $crate::database::Pool::Sqlite($pool) => $statement,
            $crate::database::Pool::Memory(_) => return Err($crate::database::not_in_memory()),
        }
    };
}
pub(crate) use on_pool;

/// What the store in memory has no tables for.
pub(crate) fn not_in_memory() -> Failure {
    let what = "the store in memory keeps saves and places, nothing else";
    Failure::Store(StoreError::Unavailable(what.to_owned()))
}

impl SaveStore {
    /// Opens the store at `postgres://…` or `sqlite://PATH` (a file, created if it isn't there) and brings its tables
    /// up to date.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`], [`StoreError::Refused`], [`StoreError::Unavailable`].
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::connected(url, true).await
    }

    /// The same for what is made of topics only, together with the places up to which: on SQLite the last transactions
    /// may be gone after a failure of power, and are made again.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_derived(url: &str) -> Result<Self, StoreError> {
        Self::connected(url, false).await
    }

    async fn connected(url: &str, lasting: bool) -> Result<Self, StoreError> {
        let (pool, name) = connect::pool(url, lasting)?;
        let store = Self { pool, name: name.into() };
        let migrating =
            async { connect::migrate(&store.pool).await.map_err(|failure| failure.at_opening(&store.name)) };
        store.during("migrating", migrating).await?;
        Ok(store)
    }

    /// The same database, for reading only.
    pub(crate) fn readers(&self) -> Self {
        Self { pool: connect::readers(&self.pool), name: Arc::clone(&self.name) }
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.clock_ms().await.map(drop)
    }

    /// The database's clock, in milliseconds since 1970 (for SQLite this machine's).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn clock_ms(&self) -> Result<i64, StoreError> {
        if let Pool::Memory(memory) = &self.pool {
            return memory.clock_ms().await;
        }
        self.during("reading the clock", async {
            Ok(on_pool!(self, |pool| sqlx::query_scalar("SELECT ms FROM clock").fetch_one(pool).await?))
        })
        .await
    }

    /// Closes the connections, of all clones. SQLite then has everything in its one file.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Postgres(pool) => pool.close().await,
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Memory(_) => {}
        }
    }

    /// Awaits an operation, limits it, and says of its failure where and during what it came.
    pub(crate) async fn during<T>(
        &self,
        what: &str,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        let unavailable = |reason: String| StoreError::Unavailable(format!("{}: {what}: {reason}", self.name));
        let mut limited = std::pin::pin!(tokio::time::timeout(OPERATION_LIMIT, operation));
        let outcome = match tokio::time::timeout(SLOW, &mut limited).await {
            Ok(outcome) => outcome,
            Err(_) => {
                tracing::warn!(
                    "{}: {what} takes longer than {SLOW:?}; is the database slow, or out of reach?",
                    self.name
                );
                limited.await
            }
        };
        match outcome {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Sql(error))) => Err(unavailable(error.to_string())),
            Err(_) => Err(unavailable(format!("no answer in {OPERATION_LIMIT:?}"))),
        }
    }
}
