//! One topic of a consumer: membership of the group, a task for each partition, and starting anew.

use std::sync::Arc;

use tiermesh_event_log::{EventLog, GroupEvent};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Consumer, partition::take_partition};
use crate::{
    error::RunError,
    owned::{OwnedPartitions, RestartPause},
    partition::Order,
};

/// Takes a topic until told to stop.
pub(super) async fn consume<C: Consumer>(
    consumer: &Arc<C>,
    log: &Arc<dyn EventLog>,
    topic: &'static str,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let name = consumer.name();
    let mut pause = RestartPause::new();
    loop {
        let began = Instant::now();
        match membership(consumer, log, topic, stop).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_passing() && stop.is_cancelled() => {
                warn!(consumer = name, topic, %error, "stopped; what was not stored is taken again at the next start");
                return Ok(());
            }
            Err(error) if error.is_passing() => {
                let wait = pause.after_run(began);
                warn!(consumer = name, topic, %error, retry_in = ?wait, "starting anew from the stored place");
                consumer.failed(topic, &error);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(wait) => {}
                }
            }
            Err(error) => {
                error!(consumer = name, topic, %error, "stopped; a person is needed");
                return Err(error);
            }
        }
    }
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
    let mut owned = OwnedPartitions::default();
    let outcome = loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break Ok(()),
            outcome = owned.finished() => break outcome,
            event = member.next() => match event {
                Err(error) => break Err(error.into()),
                Ok(GroupEvent::Assigned(assignments)) => {
                    for assignment in assignments {
                        let (taker, log, partition) = (Arc::clone(consumer), Arc::clone(log), assignment.partition);
                        let consumer = Arc::clone(consumer);
                        owned.own(
                            partition,
                            |orders| take_partition(taker, log, topic, assignment, orders),
                            move |error| consumer.stopped(topic, partition, error),
                        );
                    }
                }
                Ok(GroupEvent::Revoked { partitions, lost, done }) => {
                    info!(consumer = consumer.name(), topic, ?partitions, lost, "partitions revoked");
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
    let released = owned.release_all(Order::Release).await;
    drop(member);
    outcome.and(released)
}
