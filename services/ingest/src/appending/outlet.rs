//! A producer that is replaced when a delivery failed, and the acknowledgements that are awaited.

use std::sync::Arc;

use futures::future::try_join_all;
use tiermesh_event_log::{Ack, EventLog, LogError, NewRecord, Producer};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// Hands out the current producer.
pub(crate) struct Outlet {
    log: Arc<dyn EventLog>,
    name: &'static str,
    current: Mutex<Option<Arc<dyn Producer>>>,
}

impl Outlet {
    pub(crate) fn new(log: Arc<dyn EventLog>, name: &'static str) -> Self {
        Self { log, name, current: Mutex::new(None) }
    }

    /// The producer for one request. The request keeps it to its end: what it sends later must not overtake, through
    /// another producer, what failed before.
    pub(crate) async fn producer(&self) -> Result<Arc<dyn Producer>, LogError> {
        let mut current = self.current.lock().await;
        if let Some(producer) = current.as_ref() {
            return Ok(Arc::clone(producer));
        }
        let producer: Arc<dyn Producer> = Arc::from(self.log.producer(self.name).await?);
        *current = Some(Arc::clone(&producer));
        Ok(producer)
    }

    /// The producer failed: the next request gets a new one.
    pub(crate) async fn discard(&self, failed: &Arc<dyn Producer>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, failed)) {
            tracing::warn!("{}: a delivery failed, continuing with a new producer", self.name);
            *current = None;
        }
    }
}

/// What was sent and is not acknowledged yet.
pub(crate) struct Pending {
    acks: Vec<Ack>,
    deadline: Instant,
}

impl Pending {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { acks: Vec::new(), deadline }
    }

    /// Sends records to one partition.
    pub(crate) async fn send(
        &mut self,
        producer: &Arc<dyn Producer>,
        topic: &str,
        partition: u32,
        records: Vec<NewRecord>,
    ) -> Result<(), LogError> {
        let ack = timeout_at(self.deadline, producer.send(topic, partition, records)).await.map_err(|_| late())??;
        self.acks.push(ack);
        Ok(())
    }

    /// Waits until all of it is durable.
    pub(crate) async fn acknowledged(self) -> Result<(), LogError> {
        self.last_offset().await.map(drop)
    }

    /// Waits until all of it is durable. Gives the offset of what was sent last.
    pub(crate) async fn last_offset(self) -> Result<u64, LogError> {
        let offsets = timeout_at(self.deadline, try_join_all(self.acks)).await.map_err(|_| late())??;
        Ok(offsets.last().copied().unwrap_or_default())
    }
}

fn late() -> LogError {
    LogError::Unavailable("no acknowledgement in time".to_owned())
}
