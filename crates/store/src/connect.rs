//! From a URL to a database that is ready: connections, their limits, the tables.

use std::str::FromStr;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};

use crate::database::Pool;
use crate::error::{Failure, StoreError};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long somebody may wait for one of the connections to SQLite.
const QUEUE_LIMIT: Duration = Duration::from_secs(30);

/// Connections to the database, which are made when they are needed, and its name without a password. `lasting`: whether
/// what was committed has to outlast a failure of power, for which SQLite waits for the disk each time.
pub(crate) fn pool(url: &str, lasting: bool) -> Result<(Pool, String), StoreError> {
    match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => postgres(url),
        // SQLite takes `:memory:` for a database that each connection has for itself and then forgets.
        Some(("sqlite", path)) if !path.is_empty() && path != ":memory:" => Ok(sqlite(path, lasting)),
        // Of a URL that isn't understood no more is told: any part of it may be the password.
        Some((scheme, _)) => Err(StoreError::BadUrl(format!("{scheme}://…"))),
        None => Err(StoreError::BadUrl("…".to_owned())),
    }
}

fn postgres(url: &str) -> Result<(Pool, String), StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::BadUrl(format!("postgres://… ({error})")))?
        .application_name("tiermesh")
        // An owner that is cut off in the middle of a write must not keep its successor from acquiring for long.
        .options([
            ("statement_timeout", "60s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "15s"),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ]);
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let name = format!("postgres://{}:{}/{database}", options.get_host(), options.get_port());
    let pool = PoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(10));
    Ok((Pool::Postgres(pool.connect_lazy_with(options)), name))
}

fn sqlite(path: &str, lasting: bool) -> (Pool, String) {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if lasting { SqliteSynchronous::Full } else { SqliteSynchronous::Normal })
        // Rows of customers lie all over the file: what is kept of it in memory (64 MiB) and in the write-ahead log
        // (4,000 pages, 16 MiB) is not read and written again for each transaction. More would be brought to the disk at
        // once when there is enough of it, and what the log writes meanwhile would wait behind it.
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864")
        // What a statement of many rows might have to take back would be a file for each. Nothing is sorted here that has no
        // room in memory.
        .pragma("temp_store", "memory")
        .busy_timeout(BUSY_TIMEOUT);
    // SQLite writes one transaction at a time: the partitions queue here, rather than poll for its lock.
    (Pool::Sqlite(queue(1).connect_lazy_with(options)), format!("sqlite://{path}"))
}

/// So many connections, for which all wait in turn. That somebody waited is nothing to warn of: under load all do.
fn queue(connections: u32) -> PoolOptions<Sqlite> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(QUEUE_LIMIT)
        .acquire_slow_threshold(QUEUE_LIMIT)
        .after_release(|connection, _| Box::pin(is_reusable(connection)))
}

/// Where the disk is full SQLite ends a transaction by itself, and sqlx, which takes it to be open still, would refuse to
/// begin another one on this connection for ever.
async fn is_reusable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // A rollback may be on its way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Connections for reading beside those of a pool. SQLite lets many read while one writes; theirs would wait otherwise.
pub(crate) fn readers(pool: &Pool) -> Pool {
    match pool {
        Pool::Postgres(pool) => Pool::Postgres(pool.clone()),
        Pool::Memory(memory) => Pool::Memory(memory.clone()),
        Pool::Sqlite(pool) => {
            let options = pool.connect_options().as_ref().clone().pragma("query_only", "ON");
            Pool::Sqlite(queue(4).connect_lazy_with(options))
        }
    }
}

/// Brings the tables up to date.
pub(crate) async fn migrate(pool: &Pool) -> Result<(), Failure> {
    match pool {
        Pool::Postgres(pool) => sqlx::migrate!("./migrations/postgres").run(pool).await.map_err(sqlx::Error::from)?,
        Pool::Sqlite(pool) => {
            // Within a transaction: against another one on SQLite the migrator has no lock of its own.
            let mut transaction = begin_first(pool).await?;
            let migrator = sqlx::migrate!("./migrations/sqlite");
            // Not `run`: with it the compiler doesn't see that this future is `Send`.
            migrator.run_direct(None, &mut *transaction, false).await.map_err(sqlx::Error::from)?;
            transaction.commit().await?;
        }
        Pool::Memory(_) => {}
    }
    Ok(())
}

/// SQLite refuses to switch a new file to WAL while another connection does the same, whatever the busy time-out.
async fn begin_first(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let begin = async {
        loop {
            match pool.begin_with("BEGIN IMMEDIATE").await {
                Err(error) if is_busy(&error) => tokio::time::sleep(Duration::from_millis(20)).await,
                begun => return begun,
            }
        }
    };
    tokio::time::timeout(BUSY_TIMEOUT, begin).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// `SQLITE_BUSY`, whose finer kinds stand in the upper bits.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn that_somebody_waits_for_sqlite_is_nothing_to_warn_of() {
        let (writer, _) = pool("sqlite:///tmp/none.db", true).unwrap();
        for pool in [readers(&writer), writer] {
            let Pool::Sqlite(pool) = pool else { panic!("{pool:?}") };
            let options = pool.options();
            assert!(options.get_acquire_slow_threshold() >= options.get_acquire_timeout());
        }
    }
}
