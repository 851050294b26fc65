//! What is owed from here on, written in one transaction with the place of the consumer that found it.

use crate::database::{SaveStore, in_transaction};
use crate::error::StoreError;
use crate::place::{Advance, Step};

/// A delivery that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Made of what is told and by which route.
    pub id: String,
    /// The route.
    pub route: String,
    /// `webhook` or `log`.
    pub channel: String,
    /// Where to, without secrets.
    pub target: String,
    /// The type of what is told.
    pub kind: String,
    /// The customer; empty for messages to operations.
    pub customer: String,
    /// CloudEvents source of the record that is told.
    pub cause_source: String,
    /// CloudEvents id of the record that is told.
    pub cause_id: String,
    /// Trace context of the record.
    pub traceparent: Option<String>,
    /// What is sent.
    pub body: String,
    /// The partition of `notification.deliveries` for it.
    pub partition: u32,
    /// How many attempts there are.
    pub attempts: u32,
    /// Why it isn't told at all, if so.
    pub expired: Option<String>,
}

/// What a batch of records leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// Deliveries that are owed. Those that the ledger has already are left as they are.
    pub deliveries: Vec<NewDelivery>,
    /// Sources, in the order it happened: quiet since then, or back.
    pub sources: Vec<(String, Option<i64>)>,
}

const OWE: &str = "\
    INSERT INTO deliveries (
        id, route, channel, target, kind, customer, cause_source, cause_id, traceparent, body, input_partition,
        state, last_attempt, due_at_ms, created_at_ms, at_ms, reason)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, CAST($9 AS TEXT), $10, $11,
        $12, $13, CASE WHEN $12 = 'pending' THEN ms END, ms, ms, $14
    FROM clock WHERE true
    ON CONFLICT (id) DO NOTHING";

const QUIET: &str = "\
    INSERT INTO quiet_sources (source, since_ms) VALUES ($1, $2)
    ON CONFLICT (source) DO UPDATE SET since_ms = excluded.since_ms";

const BACK: &str = "DELETE FROM quiet_sources WHERE source = $1";

impl SaveStore {
    /// Enters what is owed into the ledger, and moves the consumer's place: all of it or nothing.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`] if another owner of the partition moved the place, [`StoreError::Unavailable`].
    pub async fn owe(&self, step: Step<'_>, notices: &Notices) -> Result<(), StoreError> {
        self.during("entering deliveries", async {
            in_transaction!(self, |transaction| {
                // First, as it locks the place: of two owners the second waits here, and then finds it moved.
                transaction.advance(step).await?;
                for delivery in &notices.deliveries {
                    let (state, reason) = match &delivery.expired {
                        None => ("pending", ""),
                        Some(reason) => ("expired", reason.as_str()),
                    };
                    sqlx::query(OWE)
                        .bind(delivery.id.as_str())
                        .bind(delivery.route.as_str())
                        .bind(delivery.channel.as_str())
                        .bind(delivery.target.as_str())
                        .bind(delivery.kind.as_str())
                        .bind(delivery.customer.as_str())
                        .bind(delivery.cause_source.as_str())
                        .bind(delivery.cause_id.as_str())
                        .bind(delivery.traceparent.as_deref())
                        .bind(delivery.body.as_str())
                        .bind(i64::from(delivery.partition))
                        .bind(state)
                        .bind(i64::from(delivery.attempts))
                        .bind(reason)
                        .execute(&mut *transaction)
                        .await?;
                }
                for (source, quiet_since_ms) in &notices.sources {
                    let changing = match quiet_since_ms {
                        Some(since_ms) => sqlx::query(QUIET).bind(source.as_str()).bind(*since_ms),
                        None => sqlx::query(BACK).bind(source.as_str()),
                    };
                    changing.execute(&mut *transaction).await?;
                }
            })
        })
        .await
    }
}
