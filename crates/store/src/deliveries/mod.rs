//! The ledger of notification: each delivery from the moment it is owed, written together with the consumer's place.
//!
//! A delivery that is due is *claimed*: its next attempt is counted, and it is due again only when the lease ends. So
//! several processes work on one ledger, and what a killed one was about to do is done by another. What became of an
//! attempt is *settled* by its number: a late answer of an attempt whose lease ended changes nothing any more. Each
//! change of state is also *told* to a topic, behind the ledger: at least once, those of one delivery in order.
//!
//! All times are the database's: processes need not agree on what time it is.

mod attempt;
mod list;
mod record;
mod tell;

use sqlx::FromRow;

pub use self::{
    attempt::{DueDelivery, Outcome},
    list::DeliveryFilter,
    record::{NewDelivery, Notices},
};

/// A delivery as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LedgerEntry {
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
    /// Trace context of the record that is told.
    pub traceparent: Option<String>,
    /// The partition of `notification.deliveries` for it.
    #[sqlx(rename = "input_partition", try_from = "i64")]
    pub partition: u32,
    /// `pending`, `retrying`, `delivered`, `dead` or `expired`.
    pub state: String,
    /// Attempts begun.
    #[sqlx(try_from = "i64")]
    pub attempts: u32,
    /// When the next is due, or the lease of a running one ends.
    pub due_at_ms: Option<i64>,
    /// Since when it is owed.
    pub created_at_ms: i64,
    /// When it came to its state.
    pub at_ms: i64,
    /// Why the last attempt failed, or why there is none.
    pub reason: String,
    /// How often its state was to be told.
    pub revision: i64,
}

/// The columns of a [`LedgerEntry`].
macro_rules! entry_columns {
    () => {
        "id, route, channel, target, kind, customer, cause_source, cause_id, traceparent, input_partition, state, \
         attempts, due_at_ms, created_at_ms, at_ms, reason, revision"
    };
}
use entry_columns;

/// The statement for PostgreSQL, where several work on the ledger at once and skip what another has just picked, and
/// for SQLite, where one does.
macro_rules! picking {
    ($store:expr, $before:expr, $after:expr) => {
        match &$store.pool {
            crate::database::Pool::Postgres(_) => concat!($before, " FOR UPDATE SKIP LOCKED) ", $after),
            crate::database::Pool::Sqlite(_) | crate::database::Pool::Memory(_) => concat!($before, ") ", $after),
        }
    };
}
use picking;
