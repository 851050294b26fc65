//! Changes of state that the topic is still to be told of.
//!
//! Whoever tells has a lease, so that two don't tell of one delivery at once and its last state stands last.

use std::time::Duration;

use super::{LedgerEntry, entry_columns, picking};
use crate::database::{SaveStore, in_transaction, on_pool};
use crate::error::StoreError;

const TOLD: &str = "\
    UPDATE deliveries SET told = $2, telling_until_ms = 0 WHERE id = $1 AND told < $2";

impl SaveStore {
    /// Deliveries whose state is to be told, at most so many: this caller's to tell while the lease lasts.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn untold_deliveries(&self, most: usize, lease: Duration) -> Result<Vec<LedgerEntry>, StoreError> {
        let claim = picking!(
            self,
            "WITH picked AS MATERIALIZED (
                SELECT id FROM deliveries WHERE told < revision AND telling_until_ms <= (SELECT ms FROM clock)
                ORDER BY telling_until_ms LIMIT $1",
            concat!(
                "UPDATE deliveries SET telling_until_ms = (SELECT ms FROM clock) + $2
                WHERE id IN (SELECT id FROM picked) RETURNING ",
                entry_columns!()
            )
        );
        let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        self.during("looking for what is to be told", async {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            Ok(on_pool!(self, |pool| sqlx::query_as(claim).bind(most).bind(lease).fetch_all(pool).await?))
        })
        .await
    }

    /// Notes that the state these entries show was told.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn deliveries_told(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        self.during("noting what was told", async {
            in_transaction!(self, |transaction| {
                for entry in entries {
                    sqlx::query(TOLD).bind(entry.id.as_str()).bind(entry.revision).execute(&mut *transaction).await?;
                }
            })
        })
        .await
    }
}
