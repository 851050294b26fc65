//! Lists of what happened, newest first, and of the signals that are open, the most at stake first.

use super::ReadModel;
use super::statement::Statement;
use crate::error::StoreError;

/// A row of a list: where it stands, to go on behind it, and its message.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Listed {
    /// What the list is ordered by: an instant, or what is at stake.
    pub rank: i64,
    /// What tells rows of the same rank apart.
    pub number: i64,
    /// The message.
    pub bytes: Vec<u8>,
}

/// Which open signals.
#[derive(Debug, Clone, Default)]
pub struct SignalFilter {
    /// Those of this customer.
    pub customer: Option<String>,
    /// Those of this detector.
    pub detector: Option<String>,
    /// Those of customers that this policy gives a tier…
    pub policy: Option<String>,
    /// … namely this one. Means nothing without a policy.
    pub tier: Option<String>,
    /// Those behind this one: what is at stake, customer, detector.
    pub after: Option<(i64, String, String)>,
    /// At most so many.
    pub limit: u32,
}

impl ReadModel {
    /// Tier changes, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn changes(
        &self,
        policy: Option<&str>,
        direction: Option<&str>,
        after: Option<(i64, i64)>,
        limit: u32,
    ) -> Result<Vec<Listed>, StoreError> {
        let filters = [("policy", policy), ("direction", direction)];
        self.readers.query("listing tier changes", newest("model_changes", &filters, after, limit)).await
    }

    /// The last word on each delivery, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn deliveries(
        &self,
        state: Option<&str>,
        route: Option<&str>,
        customer: Option<&str>,
        after: Option<(i64, i64)>,
        limit: u32,
    ) -> Result<Vec<Listed>, StoreError> {
        let filters = [("state", state), ("route", route), ("customer", customer)];
        self.readers.query("listing deliveries", newest("model_deliveries", &filters, after, limit)).await
    }

    /// Open signals, those with the most at stake first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn open_signals(&self, filter: &SignalFilter) -> Result<Vec<Listed>, StoreError> {
        let mut open = Statement::new(
            "SELECT at_stake_minor AS rank, CAST(0 AS BIGINT) AS number, bytes FROM model_open_signals o",
        );
        open = open.sql(" WHERE 1 = 1");
        for (column, value) in [("customer", &filter.customer), ("detector", &filter.detector)] {
            if let Some(value) = value {
                open = open.sql(&format!(" AND {column} = ")).argument(value);
            }
        }
        if let Some(policy) = &filter.policy {
            open =
                open.sql(" AND EXISTS (SELECT 1 FROM model_standings s WHERE s.customer = o.customer AND s.policy = ");
            open = open.argument(policy);
            if let Some(tier) = &filter.tier {
                open = open.sql(" AND s.tier = ").argument(tier);
            }
            open = open.sql(")");
        }
        if let Some((at_stake, customer, detector)) = &filter.after {
            open = open.sql(" AND (at_stake_minor, customer, detector) < (");
            open = open.list([(*at_stake).into(), customer.into(), detector.into()]).sql(")");
        }
        open = open.sql(" ORDER BY at_stake_minor DESC, customer DESC, detector DESC LIMIT ");
        self.readers.query("listing open signals", open.argument(i64::from(filter.limit))).await
    }
}

fn newest(table: &str, filters: &[(&str, Option<&str>)], after: Option<(i64, i64)>, limit: u32) -> Statement {
    let mut newest = Statement::new(&format!("SELECT at_ms AS rank, number, bytes FROM {table} WHERE 1 = 1"));
    for (column, value) in filters {
        if let Some(value) = value {
            newest = newest.sql(&format!(" AND {column} = ")).argument(*value);
        }
    }
    if let Some((at_ms, number)) = after {
        newest = newest.sql(" AND (at_ms, number) < (").list([at_ms.into(), number.into()]).sql(")");
    }
    newest.sql(" ORDER BY at_ms DESC, number DESC LIMIT ").argument(i64::from(limit))
}
