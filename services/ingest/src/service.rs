//! The service: its parts, wired, and the routes that lead to them.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, routing::post};
use tiermesh_event_log::{EventLog, LogError, topics::CUSTOMER_EVENTS};
use tiermesh_service_host::{Health, Shutdown, bind, serve};
use tiermesh_store::SaveStore;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    appending::{DeadLetters, Outlet, Recent},
    clock::Clock,
    control::{Context, ControlView, Holder, Keeper, follow},
    events::{Examiner, Intake, post_events},
    history::{self, Sessions},
    live::{Gate, post_live},
    policies::{Activation, get_policies, post_policy},
    settings::Settings,
};

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The address, or the listener on it.
    #[error(transparent)]
    Listen(#[from] std::io::Error),
}

/// What the doors share.
pub struct Service {
    pub(crate) intake: Intake,
    pub(crate) examiner: Examiner,
    pub(crate) clock: Clock,
    pub(crate) view: watch::Receiver<ControlView>,
    pub(crate) holder: Holder,
    pub(crate) sessions: Sessions,
    pub(crate) activation: Activation,
}

/// Ingest, started.
pub struct Ingest {
    service: Arc<Service>,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
    follower: JoinHandle<()>,
}

impl Ingest {
    /// Starts to follow `control` and to take part in holding it. The topics have to exist.
    ///
    /// # Errors
    /// The log is not available, or has no such topics.
    pub async fn start(
        log: Arc<dyn EventLog>,
        store: SaveStore,
        settings: Settings,
        clock: Clock,
        health: &Health,
    ) -> Result<Self, IngestError> {
        let partitions = log.partitions(CUSTOMER_EVENTS.name).await?;
        let (view_sender, view) = watch::channel(ControlView::default());
        let follower = tokio::spawn(follow(Arc::clone(&log), view_sender, health.latch("ingest: control")));
        let context = Context { log: Arc::clone(&log), store, clock: clock.clone(), settings: settings.clone() };
        let (keeper, holder) = Keeper::new(context);
        let stop = CancellationToken::new();
        let keeper = tokio::spawn(keeper.run(stop.clone()));
        let outlet = |name| Outlet::new(Arc::clone(&log), name);
        let intake = Intake {
            outlet: outlet("ingest-events"),
            dead_letters: DeadLetters::new(outlet("ingest-dead-letters"), partitions, clock.clone()),
            recent: Recent::default(),
            gate: Gate::new(view.clone(), holder.clone()),
            partitions,
            settings,
        };
        let service = Service {
            intake,
            examiner: Examiner::new(clock.clone()),
            clock,
            view,
            holder,
            sessions: Sessions::default(),
            activation: Activation::new(outlet("ingest-policies")),
        };
        Ok(Self { service: Arc::new(service), stop, keeper, follower })
    }

    /// The service itself, for whoever runs in the same process.
    pub fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service)
    }

    /// All routes below `/v1`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/events", post(post_events))
            .route("/v1/policies", post(post_policy).get(get_policies))
            .route("/v1/live", post(post_live))
            .route("/v1/history", post(history::open))
            .route("/v1/history/{session}/events", post(history::events))
            .route("/v1/history/{session}/end", post(history::end))
            // Each door has its own limit.
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&self.service))
    }

    /// Gives up what it holds, saved. To be called when no request is running any more.
    pub async fn stop(self) {
        self.stop.cancel();
        let Self { keeper, follower, .. } = self;
        if keeper.await.is_err() {
            tracing::warn!("the control keeper broke off");
        }
        follower.abort();
    }
}

/// Runs ingest until the process is asked to stop.
///
/// # Errors
/// The address is taken, or the log not available.
pub async fn run(
    address: SocketAddr,
    log: Arc<dyn EventLog>,
    store: SaveStore,
    settings: Settings,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<(), IngestError> {
    let listener = bind(address).await?;
    let ingest = Ingest::start(log, store, settings, Clock::system(), health).await?;
    tracing::info!("ingest listens on http://{}", listener.local_addr()?);
    let router = ingest.router().merge(health.router());
    let served = serve(listener, router, shutdown).await;
    shutdown.drain(ingest.stop()).await;
    Ok(served?)
}
