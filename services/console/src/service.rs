//! The service: its parts, wired, and the routes that lead to them.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use tiermesh_event_log::{EventLog, LogError, topics::CUSTOMER_EVENTS};
use tiermesh_processing::{RunError, run_consumer};
use tiermesh_service_host::{Health, Shutdown, bind, serve};
use tiermesh_store::{SaveStore, StoreError, read_model::ReadModel};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{self, Shared},
    builder::Builder,
    live::Live,
    page,
    progress::{self, Progress},
};

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The read model can't be built on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The address.
    #[error(transparent)]
    Listen(#[from] std::io::Error),
}

/// The console, started.
pub struct Console {
    shared: Arc<Shared>,
    stop: CancellationToken,
    building: JoinHandle<Result<(), RunError>>,
    watching: [JoinHandle<()>; 2],
}

impl Console {
    /// Starts to build the read model in this store. The topics have to exist. Live connections end with the soft stop.
    ///
    /// # Errors
    /// The log is not available, or has no such topics.
    pub async fn start(
        log: Arc<dyn EventLog>,
        store: SaveStore,
        health: &Health,
        shutdown: &Shutdown,
    ) -> Result<Self, ConsoleError> {
        let partitions = log.partitions(CUSTOMER_EVENTS.name).await?;
        let model = ReadModel::new(store);
        let committed = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        let builder = Builder::new(model.clone(), Arc::clone(&committed), health.clone());
        let (progress_sender, progress) = watch::channel(Progress::beginning(model.standing().await?));
        let building = tokio::spawn(build(Arc::new(builder), Arc::clone(&log), progress.clone(), stop.clone()));
        let live = Live::new(model.clone(), shutdown.soft());
        let watching = [
            tokio::spawn(progress::watch(log, model.clone(), progress_sender)),
            tokio::spawn(live.clone().tell(committed)),
        ];
        let shared = Arc::new(Shared { model, partitions, progress, live });
        Ok(Self { shared, stop, building, watching })
    }

    /// The page at `/`, and the API below `/api/v1`.
    pub fn router(&self) -> Router {
        page::router().merge(api::router(Arc::clone(&self.shared)))
    }

    /// Waits until the read model can't be built on, or the console was stopped.
    ///
    /// # Errors
    /// [`RunError`] that only a person can mend.
    pub async fn failed(&mut self) -> Result<(), RunError> {
        match (&mut self.building).await {
            Ok(outcome) => outcome,
            Err(error) => Err(RunError::Log(LogError::Unavailable(format!("building was cut off: {error}")))),
        }
    }

    /// Stops building. To be called when no request is running any more.
    pub async fn stop(self) {
        self.stop.cancel();
        if !self.building.is_finished() {
            // What it says of its end is logged where it happens.
            let _ = self.building.await;
        }
        for task in self.watching {
            task.abort();
        }
        self.shared.model.close().await;
    }
}

/// Builds the read model until told to stop, and begins anew when it was dropped: where nothing new comes, nobody would
/// notice that a place is gone.
async fn build(
    builder: Arc<Builder>,
    log: Arc<dyn EventLog>,
    mut progress: watch::Receiver<Progress>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    loop {
        let round = stop.child_token();
        let generation = progress.borrow_and_update().generation;
        let running = run_consumer(Arc::clone(&builder), Arc::clone(&log), round.clone());
        tokio::pin!(running);
        tokio::select! {
            outcome = &mut running => return outcome,
            Ok(_) = progress.wait_for(|progress| progress.generation != generation) => {}
        }
        tracing::info!("the read model was dropped: building it again");
        round.cancel();
        running.await?;
    }
}

/// Runs the console until the process is asked to stop.
///
/// # Errors
/// The address is taken, the log not available, or the read model can't be built on.
pub async fn run(
    address: SocketAddr,
    log: Arc<dyn EventLog>,
    store: SaveStore,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<(), ConsoleError> {
    let listener = bind(address).await?;
    let mut console = Console::start(log, store, health, shutdown).await?;
    tracing::info!("the console is at http://{}", listener.local_addr()?);
    let router = console.router().merge(health.router());
    let serving = serve(listener, router, shutdown);
    tokio::pin!(serving);
    let failed = tokio::select! {
        served = &mut serving => {
            shutdown.drain(console.stop()).await;
            return Ok(served?);
        }
        outcome = console.failed() => outcome,
    };
    // However it ended, the process ends with it.
    shutdown.stop();
    shutdown.drain(serving).await;
    Ok(failed?)
}
