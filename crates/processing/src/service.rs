//! A service: a member of its group, with a task for each partition it owns.

use std::sync::Arc;

use tiermesh_domain::fold::Fold;
use tiermesh_event_log::{Assignment, EventLog, GroupEvent, Producer};
use tiermesh_service_host::{Health, Latch};
use tiermesh_store::SaveStore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    error::RunError,
    metrics::Metrics,
    owned::{OwnedPartitions, RestartPause},
    partition::{Means, Order, Partition},
    recovery::{Loads, recover},
    trace_spans::Spans,
};

/// What a service folds, and where it speaks.
pub trait Processor: Clone + Send + Sync + 'static {
    /// The fold.
    type Fold: Fold;

    /// The service's name: that of its group, its saves and the source of its outputs. It never changes.
    fn service(&self) -> &'static str;

    /// The topic it folds.
    fn input(&self) -> &'static str;

    /// The output partitions that input partition `partition` may speak on.
    fn outputs(&self, partition: u32) -> Vec<(&'static str, u32)>;

    /// The state before the first record.
    fn fold(&self) -> Self::Fold;
}

/// What a service runs on.
#[derive(Clone)]
pub struct ServiceContext {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Where saves are kept.
    pub store: SaveStore,
    /// Cancelled: release all partitions and return.
    pub stop: CancellationToken,
    /// Told what the service waits for before it is ready.
    pub health: Health,
}

/// Runs a service until it is told to stop. What starting anew from the last save can mend, it mends that way.
///
/// # Errors
/// [`RunError`] that only a person can mend.
pub async fn run_service<P: Processor>(processor: P, context: ServiceContext) -> Result<(), RunError> {
    let service = processor.service();
    let metrics = Metrics::new(service);
    let mut pause = RestartPause::new();
    let mut joining = context.health.latch(format!("{service}: joining its group"));
    loop {
        let began = tokio::time::Instant::now();
        match membership(&processor, &context, &metrics, joining).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_passing() && context.stop.is_cancelled() => {
                warn!(service, %error, "stopped; what could not be saved is folded again at the next start");
                return Ok(());
            }
            Err(error) if error.is_passing() => {
                let wait = pause.after_run(began);
                warn!(service, %error, retry_in = ?wait, "starting anew from the last save");
                metrics.restarted();
                joining = context.health.latch(format!("{service}: starting anew after a failure ({error})"));
                tokio::select! {
                    biased;
                    () = context.stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(wait) => {}
                }
            }
            Err(error) => {
                error!(service, %error, "stopped; a person is needed");
                return Err(error);
            }
        }
    }
}

/// One membership of the group, from joining to leaving.
async fn membership<P: Processor>(
    processor: &P,
    context: &ServiceContext,
    metrics: &Metrics,
    joining: Latch,
) -> Result<(), RunError> {
    let mut joining = Some(joining);
    let loads = Loads::new();
    let service = processor.service();
    let producer: Arc<dyn Producer> = Arc::from(context.log.producer(service).await?);
    let mut member = context.log.join(service, processor.input()).await?;
    let mut owned = OwnedPartitions::default();
    let outcome = loop {
        tokio::select! {
            biased;
            () = context.stop.cancelled() => break Ok(()),
            outcome = owned.finished() => break outcome,
            event = member.next() => match event {
                Err(error) => break Err(error.into()),
                Ok(GroupEvent::Assigned(assignments)) => {
                    for assignment in assignments {
                        let number = assignment.partition;
                        let recovering = context.health.latch(format!("{service}: recovering partition {number}"));
                        let owner = Owner {
                            processor: processor.clone(),
                            context: context.clone(),
                            metrics: metrics.clone(),
                            producer: Arc::clone(&producer),
                            loads: loads.clone(),
                        };
                        let health = context.health.clone();
                        owned.own(
                            number,
                            |orders| owner.own(assignment, recovering, orders),
                            move |error| health.trouble(format!("{service}: partition {number} stopped: {error}")),
                        );
                    }
                    // With more instances than partitions there may be none for this one: it is ready, and waits.
                    drop(joining.take());
                }
                Ok(GroupEvent::Revoked { partitions, lost, done }) => {
                    info!(service, ?partitions, lost, "partitions revoked");
                    let order = if lost { Order::Abandon } else { Order::Release };
                    let released = owned.release(&partitions, order).await;
                    drop(done);
                    if let Err(error) = released {
                        break Err(error);
                    }
                }
            },
        }
    };
    // A failed producer's partitions can't flush; everything else is released in good order.
    let order = if outcome.is_ok() { Order::Release } else { Order::Abandon };
    let released = owned.release_all(order).await;
    drop(member);
    outcome.and(released)
}

/// What a partition is owned with.
struct Owner<P> {
    processor: P,
    context: ServiceContext,
    metrics: Metrics,
    producer: Arc<dyn Producer>,
    loads: Loads,
}

impl<P: Processor> Owner<P> {
    /// Takes a partition over and owns it.
    async fn own(
        self,
        assignment: Assignment,
        recovering: Latch,
        mut orders: watch::Receiver<Order>,
    ) -> Result<(), RunError> {
        let Self { processor, context, metrics, producer, loads } = self;
        let (service, topic, partition) = (processor.service(), processor.input(), assignment.partition);
        let recovered = tokio::select! {
            biased;
            recovered = recover(&processor, &*context.log, &context.store, partition, &loads) => recovered?,
            // Revoked while still loading: there is nothing to save.
            _ = orders.wait_for(|order| *order != Order::Go) => return Ok(()),
        };
        let mut reader = assignment.starter.start(recovered.next_offset).await?;
        // A fold has no use for headers; the runtime has, of what is traced.
        reader.skip_headers();
        drop(recovering);
        let spans = Spans { system: context.log.system(), service, topic, partition };
        let (health, store) = (context.health.clone(), context.store.clone());
        let owned = Partition::new(spans, Means { metrics: metrics.clone(), health, producer, store }, recovered);
        let standing = owned.standing();
        let outcome = tokio::select! {
            biased;
            outcome = owned.run(reader, orders) => outcome,
            never = metrics.watch(&context.log, topic, partition, standing) => match never {},
        };
        metrics.gave_up(partition);
        outcome
    }
}
