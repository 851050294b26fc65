//! Looking into the ledger, and forgetting what is long over.

use std::time::Duration;

use super::{LedgerEntry, entry_columns};
use crate::database::{SaveStore, on_pool};
use crate::error::StoreError;

/// Which deliveries to list. What is `None` doesn't matter.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// In this state.
    pub state: Option<String>,
    /// By this route.
    pub route: Option<String>,
    /// About this customer.
    pub customer: Option<String>,
    /// Behind this one in the list: its `created_at_ms` and id.
    pub after: Option<(i64, String)>,
}

macro_rules! list {
    ($of_customer:literal) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            " FROM deliveries
            WHERE (CAST($1 AS TEXT) IS NULL OR state = $1) AND (CAST($2 AS TEXT) IS NULL OR route = $2)
                AND ",
            $of_customer,
            " AND (created_at_ms, id) < ($4, $5)
            ORDER BY created_at_ms DESC, id DESC LIMIT $6"
        )
    };
}

const LIST: &str = list!("CAST($3 AS TEXT) IS NULL");

/// One customer's have an index of their own, which a condition that may be left out would not use.
const LIST_OF_CUSTOMER: &str = list!("customer = $3");

const ONE: &str = concat!("SELECT ", entry_columns!(), " FROM deliveries WHERE id = $1");

const PENDING: &str = "SELECT count(*) FROM deliveries WHERE due_at_ms IS NOT NULL";

const FORGET: &str = "\
    DELETE FROM deliveries WHERE id IN (
        SELECT id FROM deliveries
        WHERE created_at_ms < (SELECT ms FROM clock) - $1 AND due_at_ms IS NULL AND told >= revision
        ORDER BY created_at_ms LIMIT $2)";

const QUIET: &str = "SELECT source FROM quiet_sources ORDER BY source";

impl SaveStore {
    /// The newest deliveries that fit, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn deliveries(&self, filter: &DeliveryFilter, most: u32) -> Result<Vec<LedgerEntry>, StoreError> {
        let list = if filter.customer.is_some() { LIST_OF_CUSTOMER } else { LIST };
        let (before_ms, before_id) = filter.after.as_ref().map_or((i64::MAX, ""), |(at, id)| (*at, id.as_str()));
        self.during("listing deliveries", async {
            Ok(on_pool!(self, |pool| {
                sqlx::query_as(list)
                    .bind(filter.state.as_deref())
                    .bind(filter.route.as_deref())
                    .bind(filter.customer.as_deref())
                    .bind(before_ms)
                    .bind(before_id)
                    .bind(i64::from(most))
                    .fetch_all(pool)
                    .await?
            }))
        })
        .await
    }

    /// One delivery.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn delivery(&self, id: &str) -> Result<Option<LedgerEntry>, StoreError> {
        self.during("looking for a delivery", async {
            Ok(on_pool!(self, |pool| sqlx::query_as(ONE).bind(id).fetch_optional(pool).await?))
        })
        .await
    }

    /// How many deliveries are owed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn deliveries_pending(&self) -> Result<u64, StoreError> {
        let count: i64 = self
            .during("counting deliveries", async {
                Ok(on_pool!(self, |pool| sqlx::query_scalar(PENDING).fetch_one(pool).await?))
            })
            .await?;
        Ok(count.cast_unsigned())
    }

    /// Forgets deliveries that have come to an end and are so old, at most so many; how many it forgot.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_deliveries(&self, older_than: Duration, most: u32) -> Result<u64, StoreError> {
        let age = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        self.during("forgetting old deliveries", async {
            Ok(on_pool!(self, |pool| {
                sqlx::query(FORGET).bind(age).bind(i64::from(most)).execute(pool).await?.rows_affected()
            }))
        })
        .await
    }

    /// The sources that are quiet now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn quiet_sources(&self) -> Result<Vec<String>, StoreError> {
        self.during("reading quiet sources", async {
            Ok(on_pool!(self, |pool| sqlx::query_scalar(QUIET).fetch_all(pool).await?))
        })
        .await
    }
}
