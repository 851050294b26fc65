//! A producer of the embedded log: encodes on the caller's side, then queues for the writer.

use std::{future::ready, sync::Arc};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{EmbeddedLog, codec, commit::Append};
use crate::{
    poison::Poison,
    record::NewRecord,
    seam::{Ack, LogError, Producer},
};

pub(super) struct EmbeddedProducer {
    log: EmbeddedLog,
    poison: Arc<Poison>,
}

impl EmbeddedProducer {
    pub(super) fn new(log: EmbeddedLog) -> Self {
        Self { log, poison: Arc::default() }
    }
}

#[async_trait]
impl Producer for EmbeddedProducer {
    async fn send(&self, topic: &str, partition: u32, records: Vec<NewRecord>) -> Result<Ack, LogError> {
        self.poison.check()?;
        let writer = self.log.writer()?;
        let partition = self.log.shared.catalog.partition(topic, partition)?;
        if records.is_empty() {
            return Ok(Box::pin(ready(Ok(0))));
        }
        let raw = codec::encode(&records);
        let permit = writer.reserve(raw.len()).await?;
        let (ack, acked) = oneshot::channel();
        let count = records.len() as u64;
        let poison = Arc::clone(&self.poison);
        writer.append(Append { partition, raw, count, poison, ack, _permit: permit })?;
        Ok(Box::pin(async move { acked.await.unwrap_or(Err(LogError::Closed)) }))
    }
}
