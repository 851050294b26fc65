//! The dispatcher of one route: claims what is due, attempts it, settles what became of it.
//!
//! Each route has its own, with its own limit of attempts in flight: a slow receiver holds up nobody else. Whatever is
//! claimed is attempted at once, so a lease never lasts for something that waits.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use opentelemetry::{
    KeyValue,
    trace::{Span, SpanKind, Status},
};
use reqwest::Client;
use tiermesh_service_host::telemetry::{span_of, traceparent_of};
use tiermesh_store::{DueDelivery, Outcome, SaveStore, StoreError};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    meters::Deliveries,
    patience::{Failure, after_failure},
    routes::{Channel, Route, Routes},
    settings::Settings,
    webhook,
};

/// What all dispatchers share.
pub(crate) struct Desk {
    pub(crate) store: SaveStore,
    pub(crate) routes: Arc<Routes>,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) counter: Deliveries,
    /// There is a change of state to tell.
    pub(crate) changed: Arc<Notify>,
}

/// Works on the route of that number until told to stop; then waits for what is in flight.
pub(crate) async fn dispatch(desk: Arc<Desk>, number: usize, mut owed: watch::Receiver<()>, stop: CancellationToken) {
    let Some(route) = desk.routes.all.get(number) else { return };
    let limit = desk.settings.in_flight;
    let mut flying: JoinSet<()> = JoinSet::new();
    loop {
        let free = limit.saturating_sub(flying.len());
        let wait = match claim(&desk, route, free).await {
            Ok((due, wait)) => {
                for due in due {
                    flying.spawn(attempt(Arc::clone(&desk), number, due));
                }
                wait
            }
            Err(error) => {
                warn!(route = route.name, %error, "the ledger can't be read: deliveries wait");
                desk.settings.look_every
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = flying.join_next() => {}
            // Nothing can be claimed while all hands are full.
            Ok(()) = owed.changed(), if flying.len() < limit => {}
            () = tokio::time::sleep(wait), if flying.len() < limit => {}
        }
    }
    while flying.join_next().await.is_some() {}
}

/// Claims as many as there are hands free, and says when to look again.
async fn claim(desk: &Desk, route: &Route, free: usize) -> Result<(Vec<DueDelivery>, Duration), StoreError> {
    let look_every = desk.settings.look_every;
    if free == 0 {
        return Ok((Vec::new(), look_every));
    }
    let due = desk.store.claim_deliveries(&route.name, free, desk.settings.lease).await?;
    let wait = match due.len() {
        0 => desk.store.next_delivery_due(&route.name).await?.map_or(look_every, |next| next.min(look_every)),
        _ => Duration::ZERO,
    };
    Ok((due, wait))
}

/// One attempt, from the claim to the ledger.
async fn attempt(desk: Arc<Desk>, number: usize, due: DueDelivery) {
    let Some(route) = desk.routes.all.get(number) else { return };
    let attributes = vec![
        KeyValue::new("tiermesh.delivery.id", due.id.clone()),
        KeyValue::new("tiermesh.delivery.attempt", i64::from(due.attempts)),
        KeyValue::new("tiermesh.delivery.channel", route.channel.name()),
        KeyValue::new("server.address", route.target()),
    ];
    let name = format!("deliver {}", route.name);
    let mut span = span_of(due.traceparent.as_deref(), name, SpanKind::Client, &[], attributes);
    let sent = match &route.channel {
        Channel::Webhook { url, signers } => {
            webhook::send(&desk.client, url, signers, &due, traceparent_of(&span).as_deref()).await
        }
        Channel::Log => {
            log(route, &due);
            Ok(())
        }
    };
    let outcome = sent.map_or_else(
        |failure: Failure| {
            let left = due.last_attempt.saturating_sub(due.attempts);
            after_failure(failure, left, &desk.settings, rand::random())
        },
        |()| Outcome::Delivered,
    );
    match &outcome {
        Outcome::Delivered => {}
        Outcome::Retrying { after, reason } => {
            span.set_status(Status::error(reason.clone()));
            debug!(route = route.name, id = due.id, reason, retry_in = ?after, "a delivery failed");
        }
        Outcome::Dead { reason } => {
            span.set_status(Status::error(reason.clone()));
            warn!(
                route = route.name,
                id = due.id,
                reason,
                "a delivery is dead; POST /v1/deliveries/{}/retry tries again",
                due.id
            );
        }
    }
    settle(&desk, route, &due, &outcome).await;
    span.end();
}

/// Writes it down, patiently: an outcome that is not written down is an attempt made again.
async fn settle(desk: &Desk, route: &Route, due: &DueDelivery, outcome: &Outcome) {
    let write = || desk.store.settle_delivery(&due.id, due.attempts, outcome);
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_total_delay(Some(desk.settings.lease))
        .without_max_times();
    let settled = write.retry(backoff).when(|error| matches!(error, StoreError::Unavailable(_))).await;
    match settled {
        Ok(true) => {
            desk.counter.count(route, outcome.state());
            desk.changed.notify_one();
        }
        Ok(false) => debug!(id = due.id, "an attempt took longer than its lease: another was made"),
        Err(error) => warn!(route = route.name, id = due.id, %error, "what became of a delivery can't be written down"),
    }
}

/// The channel `log`: the sentence, in English, for whoever reads the process's log.
fn log(route: &Route, due: &DueDelivery) {
    let body: serde_json::Value = serde_json::from_str(&due.body).unwrap_or_default();
    let text = body["data"]["text"]["en"].as_str().unwrap_or_default();
    let severity = body["data"]["severity"].as_str().unwrap_or_default();
    info!(route = route.name, severity, id = due.id, "{text}");
}
