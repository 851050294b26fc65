//! A statement that is put together at run time: pages with filters, rows by the hundred. Both databases take the same.

use std::fmt::Write;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Database, Encode, FromRow, Postgres, Sqlite, Transaction, Type};

use crate::database::{Pool, SaveStore, not_in_memory};
use crate::error::{Failure, StoreError};

/// SQL with a `?` for each of its arguments, in their order. What comes from outside is an argument, never text.
#[derive(Debug, Default)]
pub(super) struct Statement {
    sql: String,
    arguments: Vec<Argument>,
}

#[derive(Debug)]
pub(super) enum Argument {
    Text(Option<String>),
    Number(Option<i64>),
    Bytes(Vec<u8>),
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Argument {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<&Option<String>> for Argument {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Argument {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<&Vec<u8>> for Argument {
    fn from(bytes: &Vec<u8>) -> Self {
        Self::Bytes(bytes.clone())
    }
}

impl Statement {
    pub(super) fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), arguments: Vec::new() }
    }

    pub(super) fn sql(mut self, sql: &str) -> Self {
        self.sql.push_str(sql);
        self
    }

    pub(super) fn argument(mut self, argument: impl Into<Argument>) -> Self {
        self.sql.push('?');
        self.arguments.push(argument.into());
        self
    }

    /// `(?, ?), (?, ?)`: one bracket for each row.
    pub(super) fn rows(mut self, rows: impl IntoIterator<Item = Vec<Argument>>) -> Self {
        for (at, row) in rows.into_iter().enumerate() {
            self.sql.push_str(if at == 0 { "(" } else { ", (" });
            self = self.list(row).sql(")");
        }
        self
    }

    /// `?, ?, ?`.
    pub(super) fn list(mut self, arguments: impl IntoIterator<Item = Argument>) -> Self {
        for (at, argument) in arguments.into_iter().enumerate() {
            self = self.sql(if at == 0 { "" } else { ", " }).argument(argument);
        }
        self
    }

    fn for_postgres(mut self) -> Result<(AssertSqlSafe<String>, PgArguments), sqlx::Error> {
        let mut numbered = String::with_capacity(self.sql.len() + 4 * self.arguments.len());
        let mut pieces = self.sql.split('?');
        numbered.extend(pieces.next());
        for (at, piece) in pieces.enumerate() {
            let _ = write!(numbered, "${}{piece}", at + 1); // A String takes everything.
        }
        self.sql = numbered;
        self.bound::<Postgres>()
    }

    /// SQLite takes the marks as they are: a numbered one it looks up among all others.
    fn for_sqlite(self) -> Result<(AssertSqlSafe<String>, SqliteArguments), sqlx::Error> {
        self.bound::<Sqlite>()
    }

    fn bound<D: Database>(self) -> Result<(AssertSqlSafe<String>, D::Arguments), sqlx::Error>
    where
        for<'q> Option<String>: Encode<'q, D> + Type<D>,
        for<'q> String: Encode<'q, D> + Type<D>,
        for<'q> Option<i64>: Encode<'q, D> + Type<D>,
        for<'q> Vec<u8>: Encode<'q, D> + Type<D>,
    {
        let mut arguments = D::Arguments::default();
        for argument in self.arguments {
            match argument {
                // PostgreSQL's texts can't hold it; no name that ingest lets in has it.
                Argument::Text(Some(text)) if text.contains('\0') => arguments.add(text.replace('\0', "\u{fffd}")),
                Argument::Text(text) => arguments.add(text),
                Argument::Number(number) => arguments.add(number),
                Argument::Bytes(bytes) => arguments.add(bytes),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok((AssertSqlSafe(self.sql), arguments))
    }
}

/// A transaction on whichever database it is. Dropped, it is rolled back.
pub(super) enum Writing {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

impl SaveStore {
    pub(super) async fn begin(&self) -> Result<Writing, Failure> {
        Ok(match &self.pool {
            Pool::Postgres(pool) => Writing::Postgres(pool.begin().await?),
            // A transaction that begins by reading could not become a writing one while another writes.
            Pool::Sqlite(pool) => Writing::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Memory(_) => return Err(not_in_memory()),
        })
    }

    /// The rows of a statement, outside of any transaction.
    pub(super) async fn query<T>(&self, what: &str, statement: Statement) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        self.during(what, async {
            Ok(match &self.pool {
                Pool::Postgres(pool) => {
                    let (sql, arguments) = statement.for_postgres()?;
                    sqlx::query_as_with(sql, arguments).fetch_all(pool).await?
                }
                Pool::Sqlite(pool) => {
                    let (sql, arguments) = statement.for_sqlite()?;
                    sqlx::query_as_with(sql, arguments).fetch_all(pool).await?
                }
                Pool::Memory(_) => return Err(not_in_memory()),
            })
        })
        .await
    }
}

impl Writing {
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64, Failure> {
        Ok(match self {
            Self::Postgres(transaction) => {
                let (sql, arguments) = statement.for_postgres()?;
                sqlx::query_with(sql, arguments).execute(&mut **transaction).await?.rows_affected()
            }
            Self::Sqlite(transaction) => {
                let (sql, arguments) = statement.for_sqlite()?;
                sqlx::query_with(sql, arguments).execute(&mut **transaction).await?.rows_affected()
            }
        })
    }

    pub(super) async fn query<T>(&mut self, statement: Statement) -> Result<Vec<T>, Failure>
    where
        T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        Ok(match self {
            Self::Postgres(transaction) => {
                let (sql, arguments) = statement.for_postgres()?;
                sqlx::query_as_with(sql, arguments).fetch_all(&mut **transaction).await?
            }
            Self::Sqlite(transaction) => {
                let (sql, arguments) = statement.for_sqlite()?;
                sqlx::query_as_with(sql, arguments).fetch_all(&mut **transaction).await?
            }
        })
    }

    pub(super) async fn commit(self) -> Result<(), Failure> {
        match self {
            Self::Postgres(transaction) => transaction.commit().await?,
            Self::Sqlite(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}
