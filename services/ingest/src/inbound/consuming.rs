//! Consumers of inbound topics: begun once the mesh is live, begun anew when one fails.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::join_all;
use opentelemetry::{KeyValue, metrics::Gauge};
use tiermesh_event_log::{LogError, kafka::inbound::InboundConsumer};
use tiermesh_service_host::telemetry::meter;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    file::{Consumer, Inbound},
    partition,
};
use crate::service::Service;

/// How soon a consumer that failed is begun anew.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long what is on its way is waited for at the end.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
/// How often the lag is told.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// Reads inbound topics until `stop`, and until what is on its way then is settled.
pub(crate) async fn run(inbound: Inbound, service: Arc<Service>, stop: CancellationToken) {
    if inbound.consumers.is_empty() {
        return;
    }
    tokio::select! {
        () = stop.cancelled() => return,
        () = live(&service) => {}
    }
    join_all(inbound.consumers.into_iter().map(|consumer| consume(consumer, &service, &stop))).await;
}

/// Ordinary events end the time in which history can be loaded. One that lay in a topic must not be what ends it.
async fn live(service: &Service) {
    let mut view = service.view.clone();
    if !view.borrow().control.live {
        tracing::info!(
            "inbound topics wait until the mesh is live: after the history is loaded, with the first event sent to \
             ingest, or by POST /v1/live"
        );
    }
    if view.wait_for(|view| view.control.live).await.is_err() {
        // The process is ending.
        std::future::pending::<()>().await;
    }
}

async fn consume(consumer: Consumer, service: &Arc<Service>, stop: &CancellationToken) {
    let lag = meter()
        .u64_gauge("tiermesh_consumer_lag_records")
        .with_description("Records of a partition that a consumer has not taken yet")
        .build();
    while !stop.is_cancelled() {
        let Err(error) = consume_on(&consumer, service, stop, &lag).await else { return };
        tracing::error!("{error}; again in {} s", AGAIN_AFTER.as_secs());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN_AFTER) => {}
        }
    }
}

async fn consume_on(
    consumer: &Consumer,
    service: &Arc<Service>,
    stop: &CancellationToken,
    lag: &Gauge<u64>,
) -> Result<(), LogError> {
    let mut reading = InboundConsumer::start(consumer.settings.clone())?;
    let mut partitions = JoinSet::new();
    let mut lag_times = interval(LAG_EVERY);
    lag_times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = BTreeSet::new();
    let outcome = loop {
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            partition = reading.next() => match partition {
                Ok(partition) => {
                    let rules = consumer.rules.get(partition.topic()).cloned().unwrap_or_default();
                    partitions.spawn(partition::read(partition, rules, Arc::clone(service)));
                }
                Err(error) => break Err(error),
            },
            Some(ended) = partitions.join_next() => if ended.is_err() {
                break Err(LogError::Unavailable("reading an inbound partition broke off".to_owned()));
            },
            _ = lag_times.tick() => {
                let lags = reading.lags();
                told.extend(lags.keys().cloned());
                for (topic, partition) in &told {
                    let records = lags.get(&(topic.clone(), *partition)).copied().unwrap_or_default();
                    let labels = [
                        KeyValue::new("consumer", consumer.settings.group.clone()),
                        KeyValue::new("topic", topic.clone()),
                        KeyValue::new("partition", i64::from(*partition)),
                    ];
                    lag.record(records, &labels);
                }
            }
        }
    };
    // Leaving waits until the partitions are let go of, and blocks meanwhile.
    let leaving = tokio::task::spawn_blocking(move || drop(reading));
    let settling = async { while partitions.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(SETTLE_WITHIN, settling).await;
    let _ = leaving.await;
    outcome
}
