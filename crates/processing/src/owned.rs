//! The partitions that a member owns, a task for each: told to stop, waited for, and how long to wait before all is
//! begun anew. One that meets a record that nobody can read stops there, and the others go on.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tiermesh_event_log::LogError;
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
    time::Instant,
};
use tracing::error;

use crate::{error::RunError, partition::Order};

/// How long to wait before starting anew, at first and at most.
const RESTART_AFTER: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// A membership that lasted so long was a good one: the next wait is the first one again.
const GOOD_RUN: Duration = Duration::from_secs(30);

/// The tasks of the partitions that a member owns.
#[derive(Debug, Default)]
pub(crate) struct OwnedPartitions(BTreeMap<u32, Owned>);

#[derive(Debug)]
struct Owned {
    orders: watch::Sender<Order>,
    task: JoinHandle<Result<(), RunError>>,
}

impl OwnedPartitions {
    /// Owns a partition from now on, by a task that listens to orders. If it meets a record that can't be read, the
    /// partition stays owned and stopped, with what `stopped` makes of it, until it is to be given up: another owner
    /// would meet the same record.
    pub(crate) fn own<T, S>(
        &mut self,
        partition: u32,
        task: impl FnOnce(watch::Receiver<Order>) -> T,
        stopped: impl FnOnce(&RunError) -> S + Send + 'static,
    ) where
        T: Future<Output = Result<(), RunError>> + Send + 'static,
        S: Send + 'static,
    {
        let (orders, mut listen) = watch::channel(Order::Go);
        let task = task(listen.clone());
        let task = tokio::spawn(async move {
            match task.await {
                Err(error) if error.is_of_a_record() => {
                    error!(partition, %error, "partition stopped at a record that can't be read, the others go on; see docs/faults.md");
                    let _told = stopped(&error);
                    // Nobody is left to give orders: the service stops.
                    let _ = listen.wait_for(|order| *order != Order::Go).await;
                    Ok(())
                }
                outcome => outcome,
            }
        });
        self.0.insert(partition, Owned { orders, task });
    }

    /// Waits until a partition has stopped by itself; it is owned no longer.
    pub(crate) async fn finished(&mut self) -> Result<(), RunError> {
        let mut tasks: FuturesUnordered<_> =
            self.0.iter_mut().map(|(partition, owned)| async move { (*partition, (&mut owned.task).await) }).collect();
        let Some((partition, ended)) = tasks.next().await else { return std::future::pending().await };
        drop(tasks);
        self.0.remove(&partition);
        outcome_of(ended)
    }

    /// Tells these partitions to stop, and waits until they have.
    pub(crate) async fn release(&mut self, partitions: &[u32], order: Order) -> Result<(), RunError> {
        stop(partitions.iter().filter_map(|partition| self.0.remove(partition)).collect(), order).await
    }

    /// Tells all of them to stop, and waits until they have.
    pub(crate) async fn release_all(self, order: Order) -> Result<(), RunError> {
        stop(self.0.into_values().collect(), order).await
    }
}

async fn stop(owned: Vec<Owned>, order: Order) -> Result<(), RunError> {
    for owned in &owned {
        // Its task is gone already: then there is nobody to tell.
        let _ = owned.orders.send(order);
    }
    let mut outcome = Ok(());
    for owned in owned {
        outcome = outcome.and(outcome_of(owned.task.await));
    }
    outcome
}

fn outcome_of(ended: Result<Result<(), RunError>, JoinError>) -> Result<(), RunError> {
    let cut_off = |error| RunError::Log(LogError::Unavailable(format!("a partition was cut off: {error}")));
    ended.map_err(cut_off).and_then(|outcome| outcome)
}

/// The wait before starting anew: twice as long each time, until a run was a good one.
#[derive(Debug)]
pub(crate) struct RestartPause(Duration);

impl RestartPause {
    /// Before the first run.
    pub(crate) fn new() -> Self {
        Self(RESTART_AFTER.0)
    }

    /// How long to wait after a run that began then and failed.
    pub(crate) fn after_run(&mut self, began: Instant) -> Duration {
        let wait = if began.elapsed() > GOOD_RUN { RESTART_AFTER.0 } else { self.0 };
        self.0 = (wait * 2).min(RESTART_AFTER.1);
        wait
    }
}
