//! The embedded mesh: a log, a store, and every service, started and stopped in good order.

use std::{net::SocketAddr, path::Path, sync::Arc};

use tiermesh_event_log::{
    EventLog, LogError,
    embedded::{EmbeddedLog, OpenOptions},
    topics::{CONTROL, CUSTOMER_EVENTS, all},
};
use tiermesh_ingest::{Clock, Denial, Ingest, IngestArgs, Service};
use tiermesh_processing::{RunError, ServiceContext};
use tiermesh_proto::v1::control::Control;
use tiermesh_service_host::{Health, Shutdown, bind, serve};
use tiermesh_store::SaveStore;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{cli::CommandError, connect::log_dir, reading::each_record, ready};

/// Every service in this process.
pub struct Mesh {
    address: SocketAddr,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Whether nothing had ever come in when it was started.
    pub is_new: bool,
    /// The saves.
    pub store: SaveStore,
    ingest: Ingest,
    serving: JoinHandle<std::io::Result<()>>,
    folding: Vec<JoinHandle<()>>,
    stop_folding: CancellationToken,
    failures: Mutex<mpsc::UnboundedReceiver<RunError>>,
}

impl Mesh {
    /// Starts everything; a mesh that is new gets the ready policies.
    pub async fn start(
        data: &Path,
        partitions: u32,
        listen: SocketAddr,
        ingest: IngestArgs,
        shutdown: &Shutdown,
    ) -> Result<Self, CommandError> {
        // The address first: it is what most often is taken.
        let listener = bind(listen).await?;
        let address = listener.local_addr()?;
        let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::open(log_dir(data), OpenOptions::default()).await?);
        // A mesh that exists keeps its partitions.
        let partitions = log.partitions(CUSTOMER_EVENTS.name).await.unwrap_or(partitions);
        let differences = log.create_topics(&all(partitions)).await?;
        if let Some(difference) = differences.first() {
            let (topic, what) = (&difference.topic, &difference.what);
            return Err(format!("the log in {} has another {what} of topic `{topic}`", data.display()).into());
        }
        let is_new = has_nothing_but_ready_policies(&*log).await?;
        let store = SaveStore::open(&format!("sqlite://{}", data.join("state.db").display())).await?;
        let health = Health::default();
        let ingest = Ingest::start(Arc::clone(&log), store.clone(), ingest.into(), Clock::system(), &health).await?;
        if is_new {
            // Before the door opens: no event may come before the policies.
            activate_ready_policies(&ingest.service()).await?;
        }
        let router = ingest.router().merge(health.router());
        let serving = {
            let shutdown = shutdown.clone();
            tokio::spawn(async move { serve(listener, router, &shutdown).await })
        };
        let stop_folding = CancellationToken::new();
        let context = ServiceContext { log: Arc::clone(&log), store: store.clone(), stop: stop_folding.clone() };
        let (failed, failures) = mpsc::unbounded_channel();
        let folding = vec![
            fold(tiermesh_scoring::run(context.clone()), failed.clone()),
            fold(tiermesh_churn_warning::run(context), failed),
        ];
        let failures = Mutex::new(failures);
        Ok(Self { address, log, is_new, store, ingest, serving, folding, stop_folding, failures })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a service has stopped with something that only a person can mend.
    pub async fn failed(&self) -> String {
        match self.failures.lock().await.recv().await {
            Some(error) => error.to_string(),
            None => "every service has stopped".to_owned(),
        }
    }

    /// Stops in the order of the flow: the door, then those who fold, so that nothing waits unsaved.
    pub async fn stop(self, shutdown: &Shutdown) {
        let Self { ingest, serving, folding, stop_folding, .. } = self;
        shutdown
            .drain(async move {
                // What it says of how the door closed is logged where it happens.
                let _ = serving.await;
                ingest.stop().await;
                stop_folding.cancel();
                for task in folding {
                    let _ = task.await;
                }
            })
            .await;
    }
}

/// Whether `control` says nothing yet but how facts are folded and, if a first start was cut off, ready policies.
async fn has_nothing_but_ready_policies(log: &dyn EventLog) -> Result<bool, LogError> {
    let end = log.extent(CONTROL.name, 0).await?.end;
    // The birth record, and the one that activates the logic.
    if end > ready::POLICIES.len() as u64 + 2 {
        return Ok(false);
    }
    let is_ready = |text: &str| ready::POLICIES.iter().any(|(_, ready)| *ready == text);
    let mut nothing_else = true;
    each_record(log, CONTROL.name, 0, |record| {
        nothing_else &= match CONTROL.decode(&record)?.control {
            Some(Control::LogicActivated(_)) => true,
            Some(Control::PolicyActivated(activated)) => is_ready(&activated.text),
            Some(Control::DetectorsActivated(activated)) => is_ready(&activated.text),
            _ => false,
        };
        Ok(())
    })
    .await?;
    Ok(nothing_else)
}

async fn activate_ready_policies(service: &Service) -> Result<(), CommandError> {
    for (name, text) in ready::POLICIES {
        activate(service, text).await.map_err(|denial| format!("policy {name}: {denial}"))?;
    }
    Ok(())
}

async fn activate(service: &Service, text: &str) -> Result<(), Denial> {
    loop {
        match service.activate(text).await {
            // It is about to hold `control`.
            Err(Denial::Starting) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            activated => return activated.map(|_| ()),
        }
    }
}

fn fold(
    service: impl Future<Output = Result<(), RunError>> + Send + 'static,
    failed: mpsc::UnboundedSender<RunError>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = service.await {
            // Nobody listens any more only once the mesh is stopping.
            let _ = failed.send(error);
        }
    })
}
