//! One topic of a consumer: membership of the group, a task for each partition, and starting anew.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tiermesh_event_log::{EventLog, GroupEvent, LogError};
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Consumer, partition::take_partition};
use crate::{error::RunError, partition::Order};

/// How long a consumer waits before it starts anew, at first and at most.
const RESTART_AFTER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// A membership that lasted so long was a good one: the next wait is the first one again.
const GOOD_RUN: Duration = Duration::from_secs(30);

/// Takes a topic until told to stop.
pub(super) async fn consume<C: Consumer>(
    consumer: &Arc<C>,
    log: &Arc<dyn EventLog>,
    topic: &'static str,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let name = consumer.name();
    let mut wait = RESTART_AFTER.0;
    loop {
        let began = Instant::now();
        match membership(consumer, log, topic, stop).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_passing() && stop.is_cancelled() => {
                warn!(consumer = name, topic, %error, "stopped; what was not stored is taken again at the next start");
                return Ok(());
            }
            Err(error) if error.is_passing() => {
                if began.elapsed() > GOOD_RUN {
                    wait = RESTART_AFTER.0;
                }
                warn!(consumer = name, topic, %error, retry_in = ?wait, "starting anew from the stored place");
                consumer.failed(topic, &error);
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stop.cancelled() => return Ok(()),
                }
                wait = (wait * 2).min(RESTART_AFTER.1);
            }
            Err(error) => {
                error!(consumer = name, topic, %error, "stopped; a person is needed");
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
async fn membership<C: Consumer>(
    consumer: &Arc<C>,
    log: &Arc<dyn EventLog>,
    topic: &'static str,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    // A group for each topic: else every member would be disturbed whenever a member of another topic comes or goes.
    let group = format!("{}.{topic}", consumer.name());
    let mut member = log.join(&group, topic).await?;
    consumer.joined(topic);
    let mut owned: BTreeMap<u32, Owned> = BTreeMap::new();
    let outcome = loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break Ok(()),
            (number, result) = finished(&mut owned) => {
                owned.remove(&number);
                break result;
            }
            event = member.next() => match event {
                Err(error) => break Err(error.into()),
                Ok(GroupEvent::Assigned(assignments)) => {
                    for assignment in assignments {
                        let (orders, listen) = watch::channel(Order::Go);
                        let number = assignment.partition;
                        let task = take_partition(Arc::clone(consumer), Arc::clone(log), topic, assignment, listen);
                        owned.insert(number, Owned { orders, task: tokio::spawn(task) });
                    }
                }
                Ok(GroupEvent::Revoked { partitions, lost, done }) => {
                    info!(consumer = consumer.name(), topic, ?partitions, lost, "partitions revoked");
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
    let released = release(owned.into_values().collect(), Order::Release).await;
    drop(member);
    outcome.and(released)
}

/// Waits until a partition has stopped by itself.
async fn finished(owned: &mut BTreeMap<u32, Owned>) -> (u32, Result<(), RunError>) {
    let mut tasks: FuturesUnordered<_> =
        owned.iter_mut().map(|(number, owned)| async move { (*number, (&mut owned.task).await) }).collect();
    match tasks.next().await {
        Some((number, result)) => (number, result.map_err(cut_off).and_then(|result| result)),
        None => std::future::pending().await,
    }
}

/// Tells partitions to stop, and waits until they have.
async fn release(owned: Vec<Owned>, order: Order) -> Result<(), RunError> {
    for owned in &owned {
        // Its task is gone already: then there is nobody to tell.
        let _ = owned.orders.send(order);
    }
    let mut outcome = Ok(());
    for owned in owned {
        outcome = outcome.and(owned.task.await.map_err(cut_off).and_then(|result| result));
    }
    outcome
}

fn cut_off(error: tokio::task::JoinError) -> RunError {
    RunError::Log(LogError::Unavailable(format!("a partition was cut off: {error}")))
}
