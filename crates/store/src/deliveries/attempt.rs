//! Attempts: claimed under a lease, settled by their number.

use std::time::Duration;

use sqlx::FromRow;

use super::picking;
use crate::database::{SaveStore, on_pool};
use crate::error::StoreError;

/// A delivery whose attempt has begun.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DueDelivery {
    /// Made of what is told and by which route.
    pub id: String,
    /// The type of what is told.
    pub kind: String,
    /// The customer; empty for messages to operations.
    pub customer: String,
    /// Trace context of the record that is told.
    pub traceparent: Option<String>,
    /// What is sent.
    pub body: String,
    /// The number of this attempt, from 1.
    #[sqlx(try_from = "i64")]
    pub attempts: u32,
    /// After this attempt it is dead.
    #[sqlx(try_from = "i64")]
    pub last_attempt: u32,
    /// When the attempt began.
    pub now_ms: i64,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Delivered,
    /// It didn't, and is tried again.
    Retrying {
        /// So long from now.
        after: Duration,
        /// Why it failed.
        reason: String,
    },
    /// It didn't, and is not tried again unless a person wants it.
    Dead {
        /// Why it failed.
        reason: String,
    },
}

impl Outcome {
    /// The state that it leads to.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retrying { .. } => "retrying",
            Self::Dead { .. } => "dead",
        }
    }
}

const NEXT_DUE: &str = "\
    SELECT min(due_at_ms) - (SELECT ms FROM clock) FROM deliveries WHERE route = $1 AND due_at_ms IS NOT NULL";

const SETTLE: &str = "\
    UPDATE deliveries SET
        state = $3, reason = $4, revision = revision + 1, at_ms = (SELECT ms FROM clock),
        due_at_ms = (SELECT ms FROM clock) + CAST($5 AS BIGINT)
    WHERE id = $1 AND attempts = $2 AND state IN ('pending', 'retrying')";

const RETRY: &str = "\
    UPDATE deliveries SET
        state = 'retrying', revision = revision + 1, last_attempt = attempts + $2,
        at_ms = (SELECT ms FROM clock), due_at_ms = (SELECT ms FROM clock)
    WHERE id = $1 AND state IN ('dead', 'expired')";

impl SaveStore {
    /// Claims the route's deliveries that are due, at most so many: each is this caller's to attempt, once, while the
    /// lease lasts.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn claim_deliveries(
        &self,
        route: &str,
        most: usize,
        lease: Duration,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        let claim = picking!(
            self,
            "WITH picked AS MATERIALIZED (
                SELECT id FROM deliveries WHERE route = $1 AND due_at_ms <= (SELECT ms FROM clock)
                ORDER BY due_at_ms LIMIT $2",
            "UPDATE deliveries SET attempts = attempts + 1, due_at_ms = (SELECT ms FROM clock) + $3
            WHERE id IN (SELECT id FROM picked)
            RETURNING id, kind, customer, traceparent, body, attempts, last_attempt,
                (SELECT ms FROM clock) AS now_ms"
        );
        self.during("claiming deliveries", async {
            Ok(on_pool!(self, |pool| {
                sqlx::query_as(claim)
                    .bind(route)
                    .bind(i64::try_from(most).unwrap_or(i64::MAX))
                    .bind(millis(lease))
                    .fetch_all(pool)
                    .await?
            }))
        })
        .await
    }

    /// How long until the route's next delivery is due; `None` if none is owed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn next_delivery_due(&self, route: &str) -> Result<Option<Duration>, StoreError> {
        let left: Option<i64> = self
            .during("looking for deliveries", async {
                Ok(on_pool!(self, |pool| sqlx::query_scalar(NEXT_DUE).bind(route).fetch_one(pool).await?))
            })
            .await?;
        Ok(left.map(|ms| Duration::from_millis(ms.max(0).cast_unsigned())))
    }

    /// Writes down what became of an attempt. False if the attempt isn't the last any more, its lease having ended, or
    /// the delivery has come to an end: then nothing changes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn settle_delivery(&self, id: &str, attempt: u32, outcome: &Outcome) -> Result<bool, StoreError> {
        let (reason, after_ms) = match outcome {
            Outcome::Delivered => ("", None),
            Outcome::Retrying { after, reason } => (reason.as_str(), Some(millis(*after))),
            Outcome::Dead { reason } => (reason.as_str(), None),
        };
        let changed = self
            .during("settling a delivery", async {
                Ok(on_pool!(self, |pool| {
                    sqlx::query(SETTLE)
                        .bind(id)
                        .bind(i64::from(attempt))
                        .bind(outcome.state())
                        .bind(reason)
                        .bind(after_ms)
                        .execute(pool)
                        .await?
                        .rows_affected()
                }))
            })
            .await?;
        Ok(changed == 1)
    }

    /// Tries a delivery again that is dead or expired, with so many attempts. False if there is none such.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn retry_delivery(&self, id: &str, attempts: u32) -> Result<bool, StoreError> {
        let changed = self
            .during("retrying a delivery", async {
                Ok(on_pool!(self, |pool| {
                    sqlx::query(RETRY).bind(id).bind(i64::from(attempts)).execute(pool).await?.rows_affected()
                }))
            })
            .await?;
        Ok(changed == 1)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
