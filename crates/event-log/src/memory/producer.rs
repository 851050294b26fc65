//! A producer of the memory log.

use std::{future::ready, sync::Arc};

use async_trait::async_trait;

use super::MemoryLog;
use crate::{
    poison::Poison,
    record::NewRecord,
    seam::{Ack, LogError, Producer},
};

pub(super) struct MemoryProducer {
    log: MemoryLog,
    name: String,
    poison: Arc<Poison>,
}

impl MemoryProducer {
    pub(super) fn new(log: MemoryLog, name: &str) -> Self {
        Self { log, name: name.to_owned(), poison: Arc::default() }
    }
}

#[async_trait]
impl Producer for MemoryProducer {
    async fn send(&self, topic: &str, number: u32, records: Vec<NewRecord>) -> Result<Ack, LogError> {
        self.poison.check()?;
        let partition = self.log.partition(topic, number)?;
        if records.is_empty() {
            return Ok(Box::pin(ready(Ok(0))));
        }
        if let Some(written) = self.log.shared.faults.take_failure(&self.name) {
            partition.append(&records[..written.min(records.len())]);
            self.poison.poison("a test wants it to");
            let poison = Arc::clone(&self.poison);
            return Ok(Box::pin(async move { Err(poison.poisoned().await) }));
        }
        let line = (topic, number);
        let records = match self.log.shared.network.take(&self.log.client, line, &partition, records, &self.poison) {
            Err(records) => records,
            Ok(answered) => {
                let poison = Arc::clone(&self.poison);
                return Ok(Box::pin(async move {
                    tokio::select! {
                        biased;
                        error = poison.poisoned() => Err(error),
                        Ok(last) = answered => Ok(last),
                        // Lost with the client: nobody will ever answer.
                        else => std::future::pending().await,
                    }
                }));
            }
        };
        let last = partition.append(&records);
        let mut holds = self.log.shared.faults.holds();
        if *holds.borrow() == 0 {
            return Ok(Box::pin(ready(Ok(last))));
        }
        let poison = Arc::clone(&self.poison);
        Ok(Box::pin(async move {
            tokio::select! {
                biased;
                error = poison.poisoned() => Err(error),
                _ = holds.wait_for(|holds| *holds == 0) => Ok(last),
            }
        }))
    }
}
