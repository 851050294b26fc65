//! The service: its parts, wired, and the routes that lead to them.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, middleware::from_fn_with_state};
use tiermesh_event_log::{EventLog, LogError, topics::CUSTOMER_EVENTS};
use tiermesh_service_host::{Health, Shutdown, bind, serve, telemetry::trace_requests};
use tiermesh_store::SaveStore;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    appending::{DeadLetters, Outlet, Recent},
    clock::Clock,
    control::{Context, ControlView, Holder, Keeper, follow},
    events::{Examiner, Intake},
    history::Sessions,
    inbound,
    keys::{Access, guard},
    limits::{Admission, RateLimits},
    live::Gate,
    metrics::Metrics,
    policies::Activation,
    routes,
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
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) intake: Intake,
    pub(crate) examiner: Examiner,
    pub(crate) clock: Clock,
    pub(crate) view: watch::Receiver<ControlView>,
    pub(crate) holder: Holder,
    pub(crate) sessions: Sessions,
    pub(crate) activation: Activation,
    pub(crate) access: Access,
    pub(crate) admission: Admission,
    pub(crate) rates: RateLimits,
    /// Fires when long conversations are to end.
    pub(crate) closing: CancellationToken,
}

/// Ingest, started.
pub struct Ingest {
    service: Arc<Service>,
    health: Health,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
    follower: JoinHandle<()>,
    inbound: JoinHandle<()>,
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
        let inbound = settings.inbound.clone();
        let (view_sender, view) = watch::channel(ControlView::default());
        let follower = tokio::spawn(follow(Arc::clone(&log), view_sender, health.latch("ingest: control")));
        let access = match settings.require_keys {
            true => Access::by_keys(store.clone(), health),
            false => Access::open(),
        };
        let admission = Admission::new(settings.most_requests, settings.most_bytes);
        let rates = RateLimits::new(settings.rate_limit);
        let context = Context {
            log: Arc::clone(&log),
            store,
            clock: clock.clone(),
            settings: settings.clone(),
            health: health.clone(),
        };
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
            metrics: Metrics::new(),
            clock: clock.clone(),
            system: log.system(),
        };
        let service = Service {
            log: Arc::clone(&log),
            intake,
            examiner: Examiner::new(clock.clone()),
            clock,
            view,
            holder,
            sessions: Sessions::default(),
            activation: Activation::new(outlet("ingest-policies")),
            access,
            admission,
            rates,
            closing: CancellationToken::new(),
        };
        let service = Arc::new(service);
        let inbound = tokio::spawn(inbound::run(inbound.unwrap_or_default(), Arc::clone(&service), stop.clone()));
        Ok(Self { service, health: health.clone(), stop, keeper, follower, inbound })
    }

    /// The service itself, for whoever runs in the same process.
    pub fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service)
    }

    /// Whether only who shows an API key gets in.
    pub fn asks_for_keys(&self) -> bool {
        self.service.access.asks_for_keys()
    }

    /// All routes: below `/v1`, and those of gRPC.
    pub fn router(&self) -> Router {
        trace_requests(routes::router(&self.service, &self.health))
    }

    /// Routes of other services behind the same keys: reading takes the scope `read`, everything else `operate`. A
    /// browser asks for the key as a password.
    pub fn guard(&self, routes: Router) -> Router {
        routes.route_layer(from_fn_with_state(Arc::clone(&self.service), guard))
    }

    /// Ends conversations that would go on for long, when the process is asked to stop: what is on its way is answered,
    /// and no more is taken.
    pub fn close_at(&self, stop: CancellationToken) {
        let closing = self.service.closing.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => closing.cancel(),
                () = closing.cancelled() => {}
            }
        });
    }

    /// Gives up what it holds, saved. To be called when no request is running any more.
    pub async fn stop(self) {
        self.stop.cancel();
        self.service.closing.cancel();
        let Self { keeper, follower, inbound, .. } = self;
        if inbound.await.is_err() {
            tracing::warn!("reading inbound topics broke off");
        }
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
    settings.warn_if_open(address);
    let ingest = Ingest::start(log, store, settings, Clock::system(), health).await?;
    tracing::info!("ingest listens on http://{}", listener.local_addr()?);
    ingest.close_at(shutdown.soft());
    let router = ingest.router().merge(health.router()).fallback(routes::nothing_there);
    let served = serve(listener, router, shutdown).await;
    shutdown.drain(ingest.stop()).await;
    Ok(served?)
}
