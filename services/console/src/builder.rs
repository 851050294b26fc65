//! The consumer that builds the read model: topics in, rows out.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tiermesh_event_log::topics::{
    CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS, NOTIFICATION_DELIVERIES, TIER_CHANGES,
};
use tiermesh_processing::{Batch, ConsumeError, Consumer, Place, RunError};
use tiermesh_service_host::{Health, Latch, Trouble};
use tiermesh_store::{
    Step, StoreError,
    read_model::{READ_MODEL_CONSUMER, ReadModel},
};
use tokio::sync::Notify;

use crate::rows::rows;

/// The topics that the read model is made of.
pub const TOPICS: [&str; 6] = [
    CUSTOMER_EVENTS.name,
    CONTROL.name,
    TIER_CHANGES.name,
    CHURN_SIGNALS.name,
    NOTIFICATION_DELIVERIES.name,
    DEAD_LETTERS.name,
];

/// Builds the read model.
pub(crate) struct Builder {
    model: ReadModel,
    /// Told after each commit.
    committed: Arc<Notify>,
    /// Topics whose group wasn't joined yet, and what is dropped when none is left.
    joining: Mutex<(Vec<&'static str>, Option<Latch>)>,
    health: Health,
}

impl Builder {
    pub(crate) fn new(model: ReadModel, committed: Arc<Notify>, health: Health) -> Self {
        let latch = health.latch("console: read model");
        Self { model, committed, joining: Mutex::new((TOPICS.to_vec(), Some(latch))), health }
    }
}

#[async_trait]
impl Consumer for Builder {
    fn name(&self) -> &'static str {
        READ_MODEL_CONSUMER
    }

    fn topics(&self) -> Vec<&'static str> {
        TOPICS.to_vec()
    }

    async fn place(&self, topic: &str, partition: u32) -> Result<Option<Place>, StoreError> {
        self.model.store().place(READ_MODEL_CONSUMER, topic, partition).await
    }

    async fn take(&self, batch: Batch) -> Result<(), ConsumeError> {
        let rows = rows(batch.topic, &batch.records)?;
        let step = Step {
            consumer: READ_MODEL_CONSUMER,
            topic: batch.topic,
            partition: batch.partition,
            before: batch.before.as_ref(),
            after: &batch.after,
        };
        self.model.apply(step, &rows).await?;
        self.committed.notify_one();
        Ok(())
    }

    fn joined(&self, topic: &str) {
        let mut joining = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        joining.0.retain(|left| *left != topic);
        if joining.0.is_empty() {
            joining.1 = None;
        }
    }

    fn stopped(&self, topic: &str, partition: u32, error: &RunError) -> Option<Trouble> {
        Some(self.health.trouble(format!("console: partition {partition} of `{topic}` stopped: {error}")))
    }
}
