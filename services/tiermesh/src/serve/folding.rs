//! A service that folds: it runs beside the little server that answers for its health.

use std::{net::SocketAddr, sync::Arc};

use tiermesh_event_log::EventLog;
use tiermesh_processing::{RunError, ServiceContext};
use tiermesh_service_host::{Health, Shutdown, bind, serve};
use tiermesh_store::SaveStore;

use crate::cli::CommandError;

/// What it runs on.
pub(super) struct Folding<'a> {
    pub(super) address: SocketAddr,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) store: SaveStore,
    pub(super) health: &'a Health,
    pub(super) shutdown: &'a Shutdown,
}

impl Folding<'_> {
    /// Runs it until it is asked to stop.
    pub(super) async fn run<F>(self, name: &str, service: impl FnOnce(ServiceContext) -> F) -> Result<(), CommandError>
    where
        F: Future<Output = Result<(), RunError>>,
    {
        let Self { address, log, store, health, shutdown } = self;
        let listener = bind(address).await?;
        tracing::info!("{name} answers for its health on http://{}/readyz", listener.local_addr()?);
        let answering = serve(listener, health.router(), shutdown);
        let context = ServiceContext { log, store, stop: shutdown.soft(), health: health.clone() };
        let running = async {
            let outcome = service(context).await;
            // However it ended, the process ends with it.
            shutdown.stop();
            outcome
        };
        tokio::select! {
            (outcome, answered) = async { tokio::join!(running, answering) } => {
                outcome?;
                Ok(answered?)
            }
            () = shutdown.hard_stopped() => {
                Err("stopped before everything was saved; the next start folds it again".into())
            }
        }
    }
}
