//! Writing to all partitions of `customer.events`: what one step adds goes out as one send per partition.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tiermesh_event_log::{Ack, EventLog, LogError, NewRecord, Producer, topics::CUSTOMER_EVENTS};

/// Collects records for the partitions and sends them.
pub(super) struct Broadcast {
    producer: Box<dyn Producer>,
    outbox: Vec<Vec<NewRecord>>,
    records: usize,
}

/// Records collected before they are sent; a step is never split.
const MOST_RECORDS: usize = 20_000;

/// A log that takes nothing is reported, again and again, at this interval.
const PATIENCE: Duration = Duration::from_secs(30);

impl Broadcast {
    pub(super) async fn open(log: &Arc<dyn EventLog>) -> Result<Self, LogError> {
        let partitions = log.partitions(CUSTOMER_EVENTS.name).await?;
        let producer = log.producer("ingest-control").await?;
        Ok(Self { producer, outbox: vec![Vec::new(); partitions as usize], records: 0 })
    }

    /// Adds a record for every partition.
    pub(super) fn add_to_all(&mut self, record: &NewRecord) {
        for records in &mut self.outbox {
            records.push(record.clone());
        }
        self.records += self.outbox.len();
    }

    /// Adds records, by partition.
    pub(super) fn add(&mut self, by_partition: Vec<Vec<NewRecord>>) {
        for (records, more) in self.outbox.iter_mut().zip(by_partition) {
            self.records += more.len();
            if records.is_empty() {
                *records = more;
            } else {
                records.extend(more);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.records >= MOST_RECORDS
    }

    /// Sends what was added. The result resolves when all of it is durable.
    pub(super) async fn send(&mut self) -> Result<BoxFuture<'static, Result<(), LogError>>, LogError> {
        self.records = 0;
        let mut acks = Vec::with_capacity(self.outbox.len());
        for (partition, records) in (0..).zip(&mut self.outbox) {
            if !records.is_empty() {
                acks.push(self.producer.send(CUSTOMER_EVENTS.name, partition, std::mem::take(records)).await?);
            }
        }
        Ok(acknowledged(acks).boxed())
    }
}

async fn acknowledged(acks: Vec<Ack>) -> Result<(), LogError> {
    let mut all = futures::future::try_join_all(acks);
    loop {
        match tokio::time::timeout(PATIENCE, &mut all).await {
            Ok(done) => return done.map(drop),
            Err(_) => {
                tracing::warn!("`customer.events` has not acknowledged ticks and control records for {PATIENCE:?}")
            }
        }
    }
}
