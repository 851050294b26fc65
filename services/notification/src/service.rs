//! The service: its parts, wired.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use tiermesh_event_log::{EventLog, LogError, topics::NOTIFICATION_DELIVERIES};
use tiermesh_processing::{RunError, run_consumer};
use tiermesh_service_host::{Health, Shutdown, bind, serve};
use tiermesh_store::SaveStore;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{self, Api},
    dispatcher::{Desk, dispatch},
    ledger::Ledger,
    meters::{Deliveries, watch_ledger},
    routes::Routes,
    settings::Settings,
    teller::Teller,
    webhook,
};

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The address, or the listener on it.
    #[error(transparent)]
    Listen(#[from] std::io::Error),
    /// The client of webhooks can't be made.
    #[error("webhooks can't be sent: {0}")]
    Client(#[from] reqwest::Error),
    /// The consumer stopped.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Notification, ready to run.
pub struct Notification {
    log: Arc<dyn EventLog>,
    ledger: Arc<Ledger>,
    desk: Arc<Desk>,
}

impl Notification {
    /// Prepares it. The topics have to exist.
    ///
    /// # Errors
    /// The log is not available, or has no such topics.
    pub async fn open(
        log: Arc<dyn EventLog>,
        store: SaveStore,
        routes: Routes,
        settings: Settings,
        health: &Health,
    ) -> Result<Self, NotificationError> {
        log.partitions(NOTIFICATION_DELIVERIES.name).await?;
        let routes = Arc::new(routes);
        let client = webhook::client(settings.attempt_limit)?;
        let ledger = Ledger::new(store.clone(), Arc::clone(&routes), settings.attempts, health.clone());
        let counter = Deliveries::new();
        let desk = Desk { store, routes, settings, client, counter, changed: Arc::new(Notify::new()) };
        Ok(Self { log, ledger: Arc::new(ledger), desk: Arc::new(desk) })
    }

    /// All routes below `/v1`.
    pub fn router(&self) -> Router {
        api::router(Api { store: self.desk.store.clone(), attempts: self.desk.settings.attempts })
    }

    /// Runs until told to stop; then finishes what is in flight and tells what became of it.
    ///
    /// # Errors
    /// [`RunError`] that only a person can mend.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        let Self { log, ledger, desk } = self;
        // Nothing new is attempted once the consumer has stopped; and the teller is there to the end.
        let (stop_attempts, stop_telling) = (CancellationToken::new(), CancellationToken::new());
        let mut dispatchers = JoinSet::new();
        for number in 0..desk.routes.all.len() {
            dispatchers.spawn(dispatch(Arc::clone(&desk), number, ledger.owed(), stop_attempts.clone()));
        }
        let teller = Teller {
            store: desk.store.clone(),
            log: Arc::clone(&log),
            changed: Arc::clone(&desk.changed),
            lease: desk.settings.lease,
            look_every: desk.settings.look_every,
        };
        let teller = tokio::spawn(teller.run(stop_telling.clone()));
        let watching = tokio::spawn(watch_ledger(desk.store.clone(), stop_telling.clone()));
        let consumed = run_consumer(ledger, log, stop).await;
        stop_attempts.cancel();
        while let Some(ended) = dispatchers.join_next().await {
            if ended.is_err() {
                tracing::warn!("a dispatcher broke off: its deliveries are due again when their leases end");
            }
        }
        stop_telling.cancel();
        // Broken off: what is untold is told at the next start.
        let _ = tokio::join!(teller, watching);
        consumed
    }
}

/// Runs notification until the process is asked to stop.
///
/// # Errors
/// The address is taken, the log not available, or a person is needed.
pub async fn run(
    address: SocketAddr,
    log: Arc<dyn EventLog>,
    store: SaveStore,
    routes: Routes,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<(), NotificationError> {
    let listener = bind(address).await?;
    let notification = Notification::open(log, store, routes, Settings::default(), health).await?;
    tracing::info!("notification listens on http://{}", listener.local_addr()?);
    let answering = serve(listener, notification.router().merge(health.router()), shutdown);
    let running = async {
        let outcome = notification.run(shutdown.soft()).await;
        // However it ended, the process ends with it.
        shutdown.stop();
        outcome
    };
    tokio::select! {
        (outcome, served) = async { tokio::join!(running, answering) } => {
            outcome?;
            Ok(served?)
        }
        () = shutdown.hard_stopped() => {
            tracing::warn!("stopped before all attempts had ended: they are made again when their leases end");
            Ok(())
        }
    }
}
