//! The teller: writes each change of a delivery's state to `notification.deliveries`, behind the ledger.
//!
//! At least once; those of one delivery in order, so the last of an id stands.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tiermesh_domain::time::format_instant;
use tiermesh_event_log::{EventLog, LogError, NewRecord, Producer, topics::NOTIFICATION_DELIVERIES};
use tiermesh_proto::v1::Delivery;
use tiermesh_service_host::telemetry::TRACEPARENT;
use tiermesh_store::{LedgerEntry, SaveStore, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How many changes are told at a time.
const BATCH: usize = 200;
/// How long telling the last changes may hold up a stop. What is left is told at the next start.
const LAST_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) struct Teller {
    pub(crate) store: SaveStore,
    pub(crate) log: Arc<dyn EventLog>,
    /// There is a change of state to tell.
    pub(crate) changed: Arc<Notify>,
    /// When another may tell what one was about to.
    pub(crate) lease: Duration,
    /// How often to look for what another instance left untold.
    pub(crate) look_every: Duration,
}

impl Teller {
    /// Tells until told to stop, and then what is left.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut producer = None;
        loop {
            if let Err(error) = self.tell(&mut producer).await {
                warn!(%error, "changes of deliveries can't be told; they wait in the ledger");
                producer = None;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(self.look_every) => {}
            }
        }
        match tokio::time::timeout(LAST_WITHIN, self.tell(&mut producer)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "the last changes of deliveries are told at the next start"),
            Err(_) => warn!("the log doesn't answer: the last changes of deliveries are told at the next start"),
        }
    }

    /// Tells all that is to be told.
    async fn tell(&self, producer: &mut Option<Box<dyn Producer>>) -> Result<(), TellError> {
        loop {
            let entries = self.store.untold_deliveries(BATCH, self.lease).await?;
            if entries.is_empty() {
                return Ok(());
            }
            let producer = match producer {
                Some(producer) => producer,
                None => producer.insert(self.log.producer("notification-deliveries").await?),
            };
            let mut records: BTreeMap<u32, Vec<NewRecord>> = BTreeMap::new();
            for entry in &entries {
                records.entry(entry.partition).or_default().push(record(entry));
            }
            let mut acknowledged = Vec::new();
            for (partition, records) in records {
                acknowledged.push(producer.send(NOTIFICATION_DELIVERIES.name, partition, records).await?);
            }
            for ack in acknowledged {
                ack.await?;
            }
            self.store.deliveries_told(&entries).await?;
        }
    }
}

fn record(entry: &LedgerEntry) -> NewRecord {
    let delivery = Delivery {
        id: entry.id.clone(),
        route: entry.route.clone(),
        channel: entry.channel.clone(),
        target: entry.target.clone(),
        kind: entry.kind.clone(),
        customer: entry.customer.clone(),
        state: entry.state.clone(),
        attempts: entry.attempts,
        at_ms: entry.at_ms,
        reason: entry.reason.clone(),
        cause_id: entry.cause_id.clone(),
        cause_source: entry.cause_source.clone(),
    };
    let mut headers = vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{}-{}", entry.id, entry.revision)),
        ("ce_source", "tiermesh/notification".to_owned()),
        ("ce_type", "tiermesh.delivery".to_owned()),
        ("content-type", "application/protobuf".to_owned()),
        ("ce_time", format_instant(entry.at_ms)),
    ];
    if !entry.customer.is_empty() {
        headers.push(("ce_subject", entry.customer.clone()));
    }
    if let Some(traceparent) = &entry.traceparent {
        headers.push((TRACEPARENT, traceparent.clone()));
    }
    NOTIFICATION_DELIVERIES.record(entry.customer.clone(), &delivery, headers.into_iter().collect())
}
