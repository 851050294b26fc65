//! Consumers: services that do something with records and keep a mark, rather than fold them to effects.
//!
//! What a consumer may rely on:
//! - **Each record once.** It stores what a batch leads to and its place in one transaction; a record that a service of
//!   ours said twice, or that a deposed owner said again, is dropped by its mark before the consumer sees it. Records that
//!   nobody of ours numbered all pass.
//! - **In order, without a gap**, partition by partition; one batch of a partition is taken at a time, and not more than
//!   one is read ahead. Between partitions and between topics there is no order.
//! - **After a crash** it goes on behind the last transaction that was committed. A batch may then be cut differently.
//! - **One owner at a time.** Two may overlap for a moment; whoever comes second finds the place moved
//!   ([`tiermesh_store::StoreError::Overtaken`]), stores nothing and starts anew.
//! - **A record that can't be read stops its partition** behind the record before it, loudly; the others go on.
//! - **A log that was replaced or cut, and a number that is missing, stop it loudly**: a person is needed.
//!
//! What it has to do: be as good as its transaction. What it does outside of it may happen again.

mod marks;
mod membership;
mod partition;

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use tiermesh_event_log::{EventLog, LogError, Record};
use tiermesh_service_host::Trouble;
use tiermesh_store::StoreError;
use tokio_util::sync::CancellationToken;

pub use tiermesh_store::Place;

use crate::error::RunError;

/// Takes records of some topics, and stores what they lead to together with its place.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Its name: that of its places and, with a topic behind it (`console.tier.changes`), of its groups. It never changes.
    fn name(&self) -> &'static str;

    /// The topics that it takes.
    fn topics(&self) -> Vec<&'static str>;

    /// Where it stands in a partition; `None` at the very beginning.
    ///
    /// # Errors
    /// The store is not available, or what it holds is no place.
    async fn place(&self, topic: &str, partition: u32) -> Result<Option<Place>, StoreError>;

    /// Stores what the records lead to and `batch.after` in one transaction, if the stored place still is
    /// `batch.before`. `batch.records` may be empty: then nothing but the place moves.
    ///
    /// # Errors
    /// Nothing was stored, or it is not known whether it was: the place will tell.
    async fn take(&self, batch: Batch) -> Result<(), ConsumeError>;

    /// The group was joined; partitions come as it hands them out, perhaps none.
    fn joined(&self, _topic: &str) {}

    /// Taking the topic failed; it starts anew by itself, and is joined again.
    fn failed(&self, _topic: &str, _error: &RunError) {}

    /// A partition stopped at a record that can't be read; the others go on. What is returned is dropped when the
    /// partition is given up.
    fn stopped(&self, _topic: &str, _partition: u32, _error: &RunError) -> Option<Trouble> {
        None
    }
}

/// Records of one partition, in order, and where they lie.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The topic.
    pub topic: &'static str,
    /// Its partition.
    pub partition: u32,
    /// Where the consumer stands.
    pub before: Option<Place>,
    /// Where it stands once it has taken the records.
    pub after: Place,
    /// What it hasn't taken yet: repeats are left out.
    pub records: Vec<Record>,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// The store failed, or another owner went on.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Runs a consumer until it is told to stop. What starting anew from the stored place can mend, it mends that way.
///
/// # Errors
/// [`RunError`] that only a person can mend.
pub async fn run_consumer<C: Consumer>(
    consumer: Arc<C>,
    log: Arc<dyn EventLog>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    // Where one topic needs a person, the others stop in good order.
    let stop = stop.child_token();
    let topics = consumer.topics().into_iter().map(|topic| {
        let (consumer, log, stop) = (Arc::clone(&consumer), Arc::clone(&log), stop.clone());
        async move {
            let outcome = membership::consume(&consumer, &log, topic, &stop).await;
            if outcome.is_err() {
                stop.cancel();
            }
            outcome
        }
    });
    join_all(topics).await.into_iter().collect()
}
