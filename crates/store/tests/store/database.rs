//! A fresh database for each case, and ways around the store.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tiermesh_store::{Interference, MemoryStore, OutputEnd, Position, SaveStore, Segment, StoreCall, StoreError};

pub(crate) struct Database {
    pub(crate) url: String,
    memory: Option<MemoryStore>,
    _directory: Option<tempfile::TempDir>,
}

impl Database {
    pub(crate) fn postgres() -> Self {
        Self { url: tiermesh_testkit::postgres(), memory: None, _directory: None }
    }

    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("store.db").display());
        Self { url, memory: None, _directory: Some(directory) }
    }

    pub(crate) fn memory() -> Self {
        Self { url: String::new(), memory: Some(MemoryStore::default()), _directory: None }
    }

    pub(crate) async fn open(&self) -> SaveStore {
        match &self.memory {
            Some(memory) => SaveStore::in_memory(memory, Arc::new(Nobody)),
            None => SaveStore::open(&self.url).await.unwrap(),
        }
    }

    /// Runs a statement past the store, and asserts that it changed one row.
    pub(crate) async fn tamper(&self, statement: &str) {
        let sql = AssertSqlSafe(statement.to_owned());
        let changed = if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
        };
        assert_eq!(changed, 1, "{statement}");
    }

    /// A binary literal.
    pub(crate) fn literal(&self, bytes: &[u8]) -> String {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.url.starts_with("sqlite") { format!("X'{hex}'") } else { format!("'\\x{hex}'") }
    }
}

/// A segment that holds everything.
pub(crate) fn snapshot(bytes: impl Into<Vec<u8>>) -> Segment {
    Segment { bytes: bytes.into(), keep: 0 }
}

/// A segment behind so many others that are still needed.
pub(crate) fn behind(keep: u64, bytes: impl Into<Vec<u8>>) -> Segment {
    Segment { bytes: bytes.into(), keep }
}

/// Nobody stands between.
struct Nobody;

#[async_trait]
impl Interference for Nobody {
    async fn before(&self, _call: StoreCall) -> Result<(), StoreError> {
        Ok(())
    }

    async fn after(&self, _call: StoreCall) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A position after `next_offset` records.
pub(crate) fn at(next_offset: u64) -> Position {
    let output = |topic: &str, end| OutputEnd { topic: topic.to_owned(), partition: 3, log_id: "out".to_owned(), end };
    Position {
        input_log_id: "in".to_owned(),
        next_offset,
        outputs: vec![output("tier.changes", next_offset / 2), output("scoring.summaries", next_offset / 3)],
    }
}
