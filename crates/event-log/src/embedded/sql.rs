//! The file: its tables, and every statement on them.

use std::{path::Path, time::Duration};

use futures::TryStreamExt;
use sqlx::{
    ConnectOptions, QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{record::LogId, seam::LogError, topics::TopicSpec};

/// Its name in the data directory.
pub(super) const FILE: &str = "log.db";

/// Of the tables and of what is in a row.
const VERSION: i64 = 1;
/// More are of no use: they serve only those far behind the end.
const READERS: u32 = 4;
/// How long a reader waits for one that recovers the file after a crash.
const BUSY: Duration = Duration::from_secs(10);

/// So many pages may the write-ahead log have before the writer sees to it.
pub(super) const MOST_PAGES: u32 = 16_000;

const TABLES: &str = "
    CREATE TABLE topic (
        name TEXT PRIMARY KEY,
        partitions INTEGER NOT NULL,
        retention_days INTEGER
    ) STRICT;
    CREATE TABLE partition (
        id INTEGER PRIMARY KEY,
        topic TEXT NOT NULL REFERENCES topic (name),
        number INTEGER NOT NULL,
        log_id TEXT NOT NULL,
        UNIQUE (topic, number)
    ) STRICT;
    CREATE TABLE batch (
        partition INTEGER NOT NULL REFERENCES partition (id),
        base INTEGER NOT NULL,
        count INTEGER NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX batch_base ON batch (partition, base, count);
    PRAGMA user_version = 1;";

/// The connection that writes. Makes the tables in a new file.
pub(super) async fn writer(file: &Path, max_bytes: Option<u64>) -> Result<SqliteConnection, LogError> {
    let mut options = options(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // The write-ahead log begins anew once all of it is in the file. Most of it is brought there beside; beyond this many
        // pages the writer brings the rest, at each commit until nobody reads what stands there.
        .pragma("wal_autocheckpoint", MOST_PAGES.to_string())
        // What a statement of many rows might have to take back would be a file otherwise.
        .pragma("temp_store", "memory")
        .pragma("journal_size_limit", "67108864");
    if let Some(bytes) = max_bytes {
        const PAGE: u64 = 4096;
        options = options.pragma("max_page_count", (bytes / PAGE).max(1).to_string());
    }
    let mut connection = options.connect().await.map_err(unavailable(file))?;
    let version = version(&mut connection).await.map_err(unavailable(file))?;
    if version == 0 {
        let make = async |connection: &mut SqliteConnection| sqlx::raw_sql(TABLES).execute(connection).await.map(drop);
        atomically(&mut connection, make).await.map_err(unavailable(file))?;
    } else if version != VERSION {
        return Err(LogError::Unavailable(format!(
            "{} has the format {version}; this version of tiermesh knows {VERSION}",
            file.display()
        )));
    }
    Ok(connection)
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("PRAGMA user_version").fetch_one(connection).await?.try_get(0)
}

/// Brings what stands in the write-ahead log into the file, and empties it.
pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await.map(drop)
}

/// The same, as far as nobody has to wait for it; how many pages the write-ahead log has.
pub(super) async fn checkpoint_what_can_be(beside: &SqlitePool) -> Result<i64, sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(beside).await?.try_get(1)
}

/// A connection beside the one that writes, opened when needed. Before 3.51.3 two that bring pages into the file could lose
/// what was committed (SQLite's "WAL-reset bug"): the release that is built in is younger, and a test looks.
pub(super) fn beside(file: &Path) -> SqlitePool {
    SqlitePoolOptions::new().max_connections(1).test_before_acquire(false).connect_lazy_with(options(file))
}

/// Connections that read, opened when needed.
pub(super) fn readers(file: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .connect_lazy_with(options(file).read_only(true))
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(file).busy_timeout(BUSY).disable_statement_logging()
}

pub(super) fn unavailable(file: &Path) -> impl Fn(sqlx::Error) -> LogError + '_ {
    move |error| LogError::Unavailable(format!("{}: {error}", file.display()))
}

/// Does all of it or nothing.
///
/// Not by sqlx's transactions: SQLite itself rolls back when the disk is full, which leaves sqlx's count of open
/// transactions wrong and the connection unusable.
pub(super) async fn atomically(
    connection: &mut SqliteConnection,
    work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<(), sqlx::Error>,
) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let mut result = work(connection).await;
    if result.is_ok() {
        result = sqlx::query("COMMIT").execute(&mut *connection).await.map(drop);
    }
    if result.is_err() {
        // Fails if SQLite did it already, which is as well.
        let _ = sqlx::query("ROLLBACK").execute(connection).await;
    }
    result
}

/// Makes the topics that are missing, all or none.
pub(super) async fn create(connection: &mut SqliteConnection, topics: &[TopicSpec]) -> Result<(), sqlx::Error> {
    atomically(connection, async |connection| {
        for topic in topics {
            create_one(connection, topic).await?;
        }
        Ok(())
    })
    .await
}

async fn create_one(connection: &mut SqliteConnection, topic: &TopicSpec) -> Result<(), sqlx::Error> {
    let made =
        sqlx::query("INSERT INTO topic (name, partitions, retention_days) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(&topic.name)
            .bind(topic.partitions)
            .bind(topic.retention_days)
            .execute(&mut *connection)
            .await?;
    // Nothing was made if it exists.
    let partitions = if made.rows_affected() > 0 { topic.partitions } else { 0 };
    for number in 0..partitions {
        sqlx::query("INSERT INTO partition (topic, number, log_id) VALUES (?, ?, ?)")
            .bind(&topic.name)
            .bind(number)
            .bind(LogId::random().0)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// A partition as the file has it.
pub(super) struct PartitionRow {
    pub(super) topic: TopicSpec,
    pub(super) number: u32,
    pub(super) id: i64,
    pub(super) log_id: LogId,
    pub(super) end: u64,
}

/// All partitions, ordered by topic and number.
pub(super) async fn partitions(connection: &mut SqliteConnection) -> Result<Vec<PartitionRow>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT topic.name, topic.partitions, topic.retention_days, partition.number, partition.id, partition.log_id,
            coalesce((SELECT base + count FROM batch WHERE partition = partition.id ORDER BY base DESC LIMIT 1), 1)
        FROM partition JOIN topic ON topic.name = partition.topic ORDER BY topic.name, partition.number",
    )
    .fetch_all(connection)
    .await?;
    let partition = |row: &sqlx::sqlite::SqliteRow| {
        Ok(PartitionRow {
            topic: TopicSpec { name: row.try_get(0)?, partitions: row.try_get(1)?, retention_days: row.try_get(2)? },
            number: row.try_get(3)?,
            id: row.try_get(4)?,
            log_id: LogId(row.try_get(5)?),
            end: row.try_get(6)?,
        })
    };
    rows.iter().map(partition).collect()
}

/// Batches to a statement. Each statement is a way to SQLite's thread and back; one for each number of rows is kept.
const BATCHES: usize = 64;

/// Writes batches, each into the partition of that id.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    batches: Vec<(i64, BatchRow)>,
) -> Result<(), sqlx::Error> {
    let mut batches = batches.into_iter();
    while batches.len() > 0 {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO batch (partition, base, count, bytes) ");
        insert.push_values(batches.by_ref().take(BATCHES), |mut row, (partition, batch)| {
            row.push_bind(partition)
                .push_bind(batch.base.cast_signed())
                .push_bind(batch.count.cast_signed())
                .push_bind(batch.bytes);
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// A batch as the file has it.
pub(super) struct BatchRow {
    pub(super) base: u64,
    pub(super) count: u64,
    pub(super) bytes: Vec<u8>,
}

/// Some batches, in order, from the one that holds `offset` on; none if there is none yet.
pub(super) async fn batches(
    connection: &mut SqliteConnection,
    partition: i64,
    offset: u64,
) -> Result<Vec<BatchRow>, sqlx::Error> {
    /// Enough to be worth the way, few enough to be held for every reader.
    const MAX_ROWS: usize = 256;
    const MAX_BYTES: usize = 256 << 10;
    let mut rows = sqlx::query(
        "SELECT base, count, bytes FROM batch WHERE partition = ?1 AND base >= (
            SELECT base FROM batch WHERE partition = ?1 AND base <= ?2 ORDER BY base DESC LIMIT 1
        ) ORDER BY base",
    )
    .bind(partition)
    .bind(offset as i64)
    .fetch(connection);
    let mut batches = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await? {
        let batch = BatchRow { base: row.try_get(0)?, count: row.try_get(1)?, bytes: row.try_get(2)? };
        bytes += batch.bytes.len();
        // The last batch before the offset may end before it, at the end of the log.
        if batch.base + batch.count > offset {
            batches.push(batch);
        }
        if bytes >= MAX_BYTES || batches.len() >= MAX_ROWS {
            break;
        }
    }
    Ok(batches)
}
