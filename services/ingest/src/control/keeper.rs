//! The control keeper: joins the group that shares `control`, and holds it while it is this instance's turn.

use std::time::Duration;

use tiermesh_event_log::{Assignment, GroupEvent, LogError, topics::CONTROL};
use tiermesh_service_host::Trouble;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    holder::{Holder, Holding},
    tenure::{Context, Tenure, TenureError},
};

const GROUP: &str = "ingest-control";
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// A part that was taken for so long without a failure is a good one.
const CALM: Duration = Duration::from_secs(10);
/// How long a tenure may take to save and end before it is cut off.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Holds `control` whenever the group says so.
pub(crate) struct Keeper {
    context: Context,
    holding: watch::Sender<Option<Holding>>,
}

/// A tenure that is running.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), TenureError>>,
}

impl Keeper {
    pub(crate) fn new(context: Context) -> (Self, Holder) {
        let (holding, receiver) = watch::channel(None);
        (Self { context, holding }, Holder { holding: receiver })
    }

    /// Takes part until told to stop; then gives up what it holds, saved.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut trouble = None;
        while !stop.is_cancelled() {
            if let Err(error) = self.take_part(&stop, &mut trouble).await {
                tracing::warn!("control keeper: {error}; again in a second");
                let what = format!(
                    "ingest: `control` can't be kept, so no time passes and no policy comes into force: {error}"
                );
                trouble = Some(self.context.health.trouble(what));
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
    }

    async fn take_part(&self, stop: &CancellationToken, trouble: &mut Option<Trouble>) -> Result<(), TenureError> {
        let calm = tokio::time::Instant::now() + CALM;
        let mut member = self.context.log.join(GROUP, CONTROL.name).await?;
        let mut running: Option<Running> = None;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    if let Some(running) = running {
                        running.end().await;
                    }
                    return Ok(());
                }
                () = tokio::time::sleep_until(calm), if trouble.is_some() => *trouble = None,
                ended = ended(&mut running) => match ended {
                    // The partition is gone; the member hears of it next.
                    Err(TenureError::Log(LogError::Closed)) => {}
                    other => return other,
                },
                event = member.next() => match event? {
                    GroupEvent::Assigned(assignments) => {
                        for assignment in assignments {
                            running = Some(self.begin(assignment));
                        }
                    }
                    GroupEvent::Revoked { lost, done, .. } => {
                        if lost {
                            tracing::warn!("`control` was lost: another instance may hold it already; nothing saved");
                        }
                        match running.take() {
                            // Another may be holding already: nothing may be saved.
                            Some(running) if lost => running.break_off().await,
                            Some(running) => running.end().await,
                            None => {}
                        }
                        let _ = done.send(());
                    }
                },
            }
        }
    }

    fn begin(&self, assignment: Assignment) -> Running {
        let stop = CancellationToken::new();
        let (context, holding, until) = (self.context.clone(), self.holding.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let tenure = Tenure::begin(context, assignment.starter, holding).await?;
            tenure.hold(until).await
        });
        Running { stop, task }
    }
}

impl Running {
    async fn break_off(mut self) {
        self.task.abort();
        // Until it has ended it may still say that this instance holds.
        let _ = (&mut self.task).await;
    }

    async fn end(mut self) {
        self.stop.cancel();
        match timeout(END_LIMIT, &mut self.task).await {
            Ok(Ok(Err(error))) => tracing::warn!("giving up `control`: {error}"),
            Ok(_) => {}
            Err(_) => {
                tracing::warn!("giving up `control` took longer than {END_LIMIT:?}; a successor will copy again");
                self.task.abort();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for the tenure to end by itself.
async fn ended(running: &mut Option<Running>) -> Result<(), TenureError> {
    let Some(current) = running else { return std::future::pending().await };
    let ended = (&mut current.task).await;
    *running = None;
    match ended {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) => Ok(()),
        Err(panic) => Err(LogError::Unavailable(format!("the tenure broke off: {panic}")).into()),
    }
}
