//! All that is known of one customer, by time: facts, and what followed from them.

use super::ReadModel;
use super::statement::Statement;
use crate::error::StoreError;

/// What a moment is. At one instant what follows stands above what it follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something that happened to the customer.
    Fact,
    /// A tier change.
    Change,
    /// A word on a loss signal.
    Signal,
    /// The last word on a delivery.
    Delivery,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Fact, Self::Change, Self::Signal, Self::Delivery];

    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Fact => "model_facts",
            Self::Change => "model_changes",
            Self::Signal => "model_signals",
            Self::Delivery => "model_deliveries",
        }
    }

    /// Its number in statements and cursors.
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The kind of a number.
    pub fn of(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Where a row stands in a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// When it happened.
    pub at_ms: i64,
    /// What it is.
    pub kind: Kind,
    /// The row's number.
    pub number: i64,
}

/// A row of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineRow {
    /// Where it stands.
    pub moment: Moment,
    /// The message.
    pub bytes: Vec<u8>,
}

impl ReadModel {
    /// What is known of a customer, newest first, from below a moment on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn timeline(
        &self,
        customer: &str,
        after: Option<Moment>,
        limit: u32,
    ) -> Result<Vec<TimelineRow>, StoreError> {
        let mut timeline = Statement::new("SELECT at_ms, kind, number, bytes FROM (");
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            timeline = timeline.sql(if at == 0 { "" } else { " UNION ALL " });
            let (table, code) = (kind.table(), kind.code());
            timeline = timeline
                .sql(&format!("SELECT * FROM (SELECT at_ms, CAST({code} AS BIGINT) AS kind, number, bytes FROM {table} WHERE customer = "))
                .argument(customer);
            if let Some(after) = after {
                timeline = timeline.sql(" AND at_ms <= ").argument(after.at_ms);
                timeline = timeline.sql(&format!(" AND (at_ms, {code}, number) < ("));
                timeline = timeline.list([after.at_ms.into(), after.kind.code().into(), after.number.into()]).sql(")");
            }
            timeline = timeline.sql(" ORDER BY at_ms DESC, number DESC LIMIT ").argument(i64::from(limit));
            timeline = timeline.sql(&format!(") AS {table}"));
        }
        timeline = timeline.sql(") AS timeline ORDER BY at_ms DESC, kind DESC, number DESC LIMIT ");
        let statement = timeline.argument(i64::from(limit));
        let rows: Vec<(i64, i64, i64, Vec<u8>)> = self.readers.query("reading a timeline", statement).await?;
        let row = |(at_ms, code, number, bytes)| {
            Some(TimelineRow { moment: Moment { at_ms, kind: Kind::of(code)?, number }, bytes })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    /// The facts about a customer, in the order of the log; at most `limit` of the newest.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn facts(&self, customer: &str, limit: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let facts = Statement::new("SELECT number, bytes FROM model_facts WHERE customer = ")
            .argument(customer)
            .sql(" ORDER BY number DESC LIMIT ")
            .argument(i64::from(limit));
        let mut rows: Vec<(i64, Vec<u8>)> = self.readers.query("reading a customer's facts", facts).await?;
        rows.reverse();
        Ok(rows.into_iter().map(|(_, bytes)| bytes).collect())
    }
}
