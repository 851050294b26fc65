//! What is new: changes, signals and deliveries in the order in which they were committed.

use super::ReadModel;
use super::statement::Statement;
use super::timeline::Kind;
use crate::error::StoreError;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedRow {
    /// Its number: whoever has seen it has seen all below.
    pub number: i64,
    /// What it is.
    pub kind: Kind,
    /// The message.
    pub bytes: Vec<u8>,
}

impl ReadModel {
    /// The first of what came behind a number, in order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn feed(&self, after: i64, limit: u32) -> Result<Vec<FeedRow>, StoreError> {
        let mut feed = Statement::new("SELECT number, kind, bytes FROM (");
        for (at, kind) in [Kind::Change, Kind::Signal, Kind::Delivery].into_iter().enumerate() {
            feed = feed.sql(if at == 0 { "" } else { " UNION ALL " });
            let (table, code) = (kind.table(), kind.code());
            feed = feed.sql(&format!(
                "SELECT * FROM (SELECT number, CAST({code} AS BIGINT) AS kind, bytes FROM {table} WHERE number > "
            ));
            feed = feed.argument(after).sql(" ORDER BY number LIMIT ").argument(i64::from(limit));
            feed = feed.sql(&format!(") AS {table}"));
        }
        feed = feed.sql(") AS feed ORDER BY number LIMIT ").argument(i64::from(limit));
        let rows: Vec<(i64, i64, Vec<u8>)> = self.readers.query("reading what is new", feed).await?;
        let row = |(number, code, bytes)| Some(FeedRow { number, kind: Kind::of(code)?, bytes });
        Ok(rows.into_iter().filter_map(row).collect())
    }
}
