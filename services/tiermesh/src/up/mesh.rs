//! The embedded mesh: a log, a store, and every service, started and stopped in good order.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use tiermesh_console::Console;
use tiermesh_event_log::{
    EventLog,
    embedded::{EmbeddedLog, OpenOptions},
    topics::{CUSTOMER_EVENTS, DEFAULT_EMBEDDED_PARTITIONS, all},
};
use tiermesh_ingest::{Clock, Ingest, IngestArgs, Settings};
use tiermesh_notification::{Notification, Routes};
use tiermesh_processing::ServiceContext;
use tiermesh_service_host::{Health, Shutdown, bind, serve};
use tiermesh_store::SaveStore;
use tokio::task::JoinHandle;

use super::{
    background::Background,
    beginning::{activate_all, has_nothing_but_ready_policies},
    stages::Stages,
};
use crate::{
    cli::CommandError,
    connect::{log_dir, read_model_file},
};

/// How to start a mesh.
pub struct Options<'a> {
    /// Where log and state are kept.
    pub data: &'a Path,
    /// Partitions of a new mesh.
    pub partitions: Option<u32>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Ingest's own.
    pub ingest: IngestArgs,
    /// Who is told of what.
    pub routes: Routes,
    /// What a new mesh begins with: name and text of each.
    pub policies: &'a [(&'a str, &'a str)],
}

/// Every service in this process.
pub struct Mesh {
    address: SocketAddr,
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Whether nothing had ever come in when it was started.
    pub is_new: bool,
    /// The saves.
    pub store: SaveStore,
    read_model: SaveStore,
    _background: Background,
    ingest: Ingest,
    serving: JoinHandle<std::io::Result<()>>,
    stages: Stages,
}

impl Mesh {
    /// Starts everything; a mesh that is new gets the policies.
    pub async fn start(options: Options<'_>, shutdown: &Shutdown) -> Result<Self, CommandError> {
        let Options { data, partitions, listen, ingest, routes, policies } = options;
        // The address first: it is what most often is taken.
        let listener = bind(listen).await?;
        let address = listener.local_addr()?;
        let log = open_log(data, partitions).await?;
        let is_new = has_nothing_but_ready_policies(&*log).await?;
        let store = SaveStore::open(&format!("sqlite://{}", data.join("state.db").display())).await?;
        let health = Health::default();
        crate::logic::tell(&health);
        let inbound = ingest.read_inbound(None)?;
        let mut settings = Settings { inbound, ..Settings::from(ingest) };
        // Who can reach the loopback address is on this machine.
        settings.require_keys &= !address.ip().is_loopback();
        let ingest = Ingest::start(Arc::clone(&log), store.clone(), settings, Clock::system(), &health).await?;
        if is_new {
            // Before the door opens: no event may come before the policies.
            activate_all(&ingest.service(), policies).await?;
        }
        // In the order of the flow, which is that of the stop: whoever is behind hears all that those before it say.
        let mut stages = Stages::default();
        let folding = stages.add();
        let stop = folding.stop();
        let context = ServiceContext { log: Arc::clone(&log), store: store.clone(), stop, health: health.clone() };
        folding.run(tiermesh_scoring::run(context.clone()));
        folding.run(tiermesh_churn_warning::run(context));
        let notification =
            Notification::open(Arc::clone(&log), store.clone(), routes, Default::default(), &health).await?;
        let background = Background::start()?;
        let showing = {
            let read_model = format!("sqlite://{}", read_model_file(data).display());
            let (log, health, shutdown) = (Arc::clone(&log), health.clone(), shutdown.clone());
            background.spawn(async move {
                let read_model = SaveStore::open_derived(&read_model).await?;
                let console = Console::start(log, read_model.clone(), &health, &shutdown).await?;
                Ok::<_, CommandError>((read_model, console))
            })
        };
        let (read_model, console) = showing.await??;
        // Both show customers, and notification can be made to tell again: not for anyone who can reach the address.
        let guarded = ingest.guard(notification.router().merge(console.router()));
        let router = ingest.router().merge(guarded).merge(health.router());
        let telling = stages.add();
        telling.run(notification.run(telling.stop()));
        let showing = stages.add();
        showing.run(show(console, showing.stop()));
        let serving = {
            let shutdown = shutdown.clone();
            tokio::spawn(async move { serve(listener, router, &shutdown).await })
        };
        Ok(Self { address, log, is_new, store, read_model, _background: background, ingest, serving, stages })
    }

    /// How to reach it from this machine.
    pub fn local_url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{address}")
    }

    /// Whether only who shows a key gets in.
    pub fn asks_for_keys(&self) -> bool {
        self.ingest.asks_for_keys()
    }

    /// Waits until a service has stopped with something that only a person can mend.
    pub async fn failed(&self) -> String {
        self.stages.failed().await
    }

    /// Stops in the order of the flow: the door first, so that nothing waits unsaved.
    pub async fn stop(self, shutdown: &Shutdown) {
        // Its threads go last, when nothing runs there any more.
        let Self { ingest, serving, stages, store, read_model, _background, .. } = self;
        shutdown
            .drain(async move {
                // What it says of how the door closed is logged where it happens.
                let _ = serving.await;
                ingest.stop().await;
                stages.stop().await;
                store.close().await;
                read_model.close().await;
            })
            .await;
    }
}

/// Runs the console until it is told to stop, or can't go on.
async fn show(
    mut console: Console,
    stop: tokio_util::sync::CancellationToken,
) -> Result<(), tiermesh_processing::RunError> {
    let outcome = tokio::select! {
        outcome = console.failed() => outcome,
        () = stop.cancelled() => Ok(()),
    };
    console.stop().await;
    outcome
}

/// Opens the log, with all of its topics.
async fn open_log(data: &Path, partitions: Option<u32>) -> Result<Arc<dyn EventLog>, CommandError> {
    let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::open(log_dir(data), OpenOptions::default()).await?);
    let partitions = partitions_of(&*log, partitions, data).await;
    let differences = log.create_topics(&all(partitions)).await?;
    if let Some(difference) = differences.first() {
        let (topic, what) = (&difference.topic, &difference.what);
        return Err(format!("the log in {} has another {what} of topic `{topic}`", data.display()).into());
    }
    Ok(log)
}

/// How many partitions the mesh has: one that exists keeps its own.
async fn partitions_of(log: &dyn EventLog, asked: Option<u32>, data: &Path) -> u32 {
    match (log.partitions(CUSTOMER_EVENTS.name).await, asked) {
        (Ok(existing), Some(asked)) if existing != asked => {
            let data = data.display();
            tracing::warn!(
                "--partitions {asked} is passed over: the mesh in {data} has {existing}, and they can't be changed \
                 later, since customers would move; for another number name a new --data directory"
            );
            existing
        }
        (Ok(existing), _) => existing,
        (Err(_), asked) => asked.unwrap_or(DEFAULT_EMBEDDED_PARTITIONS),
    }
}
