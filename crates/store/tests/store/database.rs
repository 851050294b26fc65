//! A fresh database for each case, and ways around the store.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tiermesh_store::{OutputEnd, Position, SaveStore};

pub(crate) struct Database {
    pub(crate) url: String,
    _directory: Option<tempfile::TempDir>,
}

impl Database {
    pub(crate) fn postgres() -> Self {
        Self { url: tiermesh_testkit::postgres(), _directory: None }
    }

    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("store.db").display());
        Self { url, _directory: Some(directory) }
    }

    pub(crate) async fn open(&self) -> SaveStore {
        SaveStore::open(&self.url).await.unwrap()
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

/// A position after `next_offset` records.
pub(crate) fn at(next_offset: u64) -> Position {
    let output = |topic: &str, end| OutputEnd { topic: topic.to_owned(), partition: 3, log_id: "out".to_owned(), end };
    Position {
        input_log_id: "in".to_owned(),
        next_offset,
        outputs: vec![output("tier.changes", next_offset / 2), output("scoring.summaries", next_offset / 3)],
    }
}
