//! A service: a member of its group, with a task for each partition it owns.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tiermesh_domain::fold::Fold;
use tiermesh_event_log::{Assignment, EventLog, GroupEvent, LogError, Producer};
use tiermesh_service_host::{Health, Latch};
use tiermesh_store::SaveStore;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    error::RunError,
    metrics::Metrics,
    partition::{Order, Partition},
    recovery::recover,
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

/// How long a service waits before it starts anew, at first and at most.
const RESTART_AFTER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// A membership that lasted so long was a good one: the next wait is the first one again.
const GOOD_RUN: Duration = Duration::from_secs(30);

/// Runs a service until it is told to stop. What starting anew from the last save can mend, it mends that way.
///
/// # Errors
/// [`RunError`] that only a person can mend.
pub async fn run_service<P: Processor>(processor: P, context: ServiceContext) -> Result<(), RunError> {
    let service = processor.service();
    let metrics = Metrics::new(service);
    let mut wait = RESTART_AFTER.0;
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
                if began.elapsed() > GOOD_RUN {
                    wait = RESTART_AFTER.0;
                }
                warn!(service, %error, retry_in = ?wait, "starting anew from the last save");
                metrics.restarted();
                joining = context.health.latch(format!("{service}: starting anew after a failure ({error})"));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = context.stop.cancelled() => return Ok(()),
                }
                wait = (wait * 2).min(RESTART_AFTER.1);
            }
            Err(error) => {
                error!(service, %error, "stopped; a person is needed");
                return Err(error);
            }
        }
    }
}

struct Owned {
    orders: watch::Sender<Order>,
    task: JoinHandle<Result<(), RunError>>,
}

/// One membership of the group, from joining to leaving.
async fn membership<P: Processor>(
    processor: &P,
    context: &ServiceContext,
    metrics: &Metrics,
    joining: Latch,
) -> Result<(), RunError> {
    let mut joining = Some(joining);
    let service = processor.service();
    let producer: Arc<dyn Producer> = Arc::from(context.log.producer(service).await?);
    let mut member = context.log.join(service, processor.input()).await?;
    let mut owned: BTreeMap<u32, Owned> = BTreeMap::new();
    let outcome = loop {
        let finished = async {
            let mut tasks: FuturesUnordered<_> =
                owned.iter_mut().map(|(number, owned)| async move { (*number, (&mut owned.task).await) }).collect();
            match tasks.next().await {
                Some(finished) => finished,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = context.stop.cancelled() => break Ok(()),
            (number, result) = finished => {
                owned.remove(&number);
                let cut_off = |error| RunError::Log(LogError::Unavailable(format!("partition {number} was cut off: {error}")));
                break result.map_err(cut_off).and_then(|result| result);
            }
            event = member.next() => match event {
                Err(error) => break Err(error.into()),
                Ok(GroupEvent::Assigned(assignments)) => {
                    for assignment in assignments {
                        let (orders, listen) = watch::channel(Order::Go);
                        let number = assignment.partition;
                        let recovering = context.health.latch(format!("{service}: recovering partition {number}"));
                        let owner = Owner {
                            processor: processor.clone(),
                            context: context.clone(),
                            metrics: metrics.clone(),
                            producer: Arc::clone(&producer),
                        };
                        let task = tokio::spawn(owner.own(assignment, recovering, listen));
                        owned.insert(number, Owned { orders, task });
                    }
                    // With more instances than partitions there may be none for this one: it is ready, and waits.
                    drop(joining.take());
                }
                Ok(GroupEvent::Revoked { partitions, lost, done }) => {
                    info!(service, ?partitions, lost, "partitions revoked");
                    let order = if lost { Order::Abandon } else { Order::Release };
                    let going = partitions.iter().filter_map(|number| owned.remove(number)).collect();
                    let released = release(going, order).await;
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
    let released = release(owned.into_values().collect(), order).await;
    drop(member);
    outcome.and(released)
}

/// Tells partitions to stop, and waits until they have.
async fn release(owned: Vec<Owned>, order: Order) -> Result<(), RunError> {
    for owned in &owned {
        // Its task is gone already: then there is nobody to tell.
        let _ = owned.orders.send(order);
    }
    let mut outcome = Ok(());
    for owned in owned {
        match owned.task.await {
            Ok(result) => outcome = outcome.and(result),
            Err(error) => {
                outcome = Err(RunError::Log(LogError::Unavailable(format!("a partition was cut off: {error}"))))
            }
        }
    }
    outcome
}

/// What a partition is owned with.
struct Owner<P> {
    processor: P,
    context: ServiceContext,
    metrics: Metrics,
    producer: Arc<dyn Producer>,
}

impl<P: Processor> Owner<P> {
    /// Takes a partition over and owns it.
    async fn own(
        self,
        assignment: Assignment,
        recovering: Latch,
        mut orders: watch::Receiver<Order>,
    ) -> Result<(), RunError> {
        let Self { processor, context, metrics, producer } = self;
        let (service, topic, partition) = (processor.service(), processor.input(), assignment.partition);
        let recovered = tokio::select! {
            recovered = recover(&processor, &*context.log, &context.store, partition) => recovered?,
            // Revoked while still loading: there is nothing to save.
            _ = orders.wait_for(|order| *order != Order::Go) => return Ok(()),
        };
        let reader = assignment.starter.start(recovered.next_offset).await?;
        drop(recovering);
        let spans = Spans { system: context.log.system(), service, topic, partition };
        let owned = Partition::new(spans, metrics.clone(), recovered, producer, context.store.clone());
        let standing = owned.standing();
        let outcome = tokio::select! {
            outcome = owned.run(reader, orders) => outcome,
            never = metrics.watch(&context.log, topic, partition, standing) => match never {},
        };
        metrics.gave_up(partition);
        outcome
    }
}
