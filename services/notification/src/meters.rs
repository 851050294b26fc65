//! What notification counts, for whoever watches; and the ledger's old entries, which are forgotten.

use std::{collections::BTreeSet, time::Duration};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Gauge},
};
use tiermesh_store::{SaveStore, StoreError};
use tokio_util::sync::CancellationToken;

use crate::routes::Route;

/// How often the ledger is counted.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// As long as `notification.deliveries` keeps its records.
const FORGET_AFTER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How many old entries are forgotten at a time.
const FORGET_AT_ONCE: u32 = 1_000;

/// Counts attempts by what they led to.
#[derive(Clone)]
pub(crate) struct Deliveries(Counter<u64>);

impl Deliveries {
    pub(crate) fn new() -> Self {
        let meter = global::meter("tiermesh");
        let counter = meter.u64_counter("tiermesh_notification_deliveries_total");
        Self(counter.with_description("Attempts to deliver, by the state they led to").build())
    }

    pub(crate) fn count(&self, route: &Route, state: &'static str) {
        let labels = [
            KeyValue::new("route", route.name.clone()),
            KeyValue::new("channel", route.channel.name()),
            KeyValue::new("state", state),
        ];
        self.0.add(1, &labels);
    }
}

/// Tells, now and then, what the ledger holds: the same from every instance. Forgets what is long over.
pub(crate) async fn watch_ledger(store: SaveStore, stop: CancellationToken) {
    let meter = global::meter("tiermesh");
    let pending = meter.u64_gauge("tiermesh_notification_pending").with_description("Deliveries owed").build();
    let quiet = meter.u64_gauge("tiermesh_source_quiet").with_description("1 while a source is quiet").build();
    let mut known = BTreeSet::new();
    loop {
        if let Err(error) = look(&store, &pending, &quiet, &mut known).await {
            tracing::debug!(%error, "the ledger can't be counted");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(COUNT_EVERY) => {}
        }
    }
}

async fn look(
    store: &SaveStore,
    pending: &Gauge<u64>,
    quiet: &Gauge<u64>,
    known: &mut BTreeSet<String>,
) -> Result<(), StoreError> {
    pending.record(store.deliveries_pending().await?, &[]);
    store.forget_deliveries(FORGET_AFTER, FORGET_AT_ONCE).await?;
    let now: BTreeSet<String> = store.quiet_sources().await?.into_iter().collect();
    known.extend(now.iter().cloned());
    for source in &*known {
        quiet.record(u64::from(now.contains(source)), &[KeyValue::new("source", source.clone())]);
    }
    Ok(())
}
