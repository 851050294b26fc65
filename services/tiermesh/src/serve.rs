//! `tiermesh serve`: one service against Kafka and PostgreSQL.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use tiermesh_event_log::{EventLog, topics::CUSTOMER_EVENTS};
use tiermesh_ingest::IngestArgs;
use tiermesh_processing::ServiceContext;
use tiermesh_service_host::{Health, KafkaArgs, ListenArgs, Shutdown, StoreArgs, bind, serve};
use tiermesh_store::SaveStore;

use crate::{cli::CommandError, connect::kafka};

/// Runs one service against Kafka and PostgreSQL. Start more of them to grow: they share the partitions.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  tiermesh serve scoring --kafka localhost:9092 --store postgres://tiermesh:secret@localhost/tiermesh"
)]
pub struct Args {
    /// Which one.
    #[arg(value_enum)]
    service: Service,
    #[command(flatten)]
    kafka: KafkaArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    ingest: IngestArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Service {
    /// Takes events in.
    Ingest,
    /// Gives tiers.
    Scoring,
    /// Gives loss signals.
    ChurnWarning,
}

impl Service {
    /// Where it listens unless told otherwise: ingest for events, the others for their health.
    fn default_address(self) -> SocketAddr {
        let port = match self {
            Self::Ingest => 7171,
            Self::Scoring => 7172,
            Self::ChurnWarning => 7173,
        };
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}

/// Runs it until it is asked to stop.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let shutdown = Shutdown::on_signals()?;
    let log = kafka(&args.kafka, None)?;
    if args.store.store.is_none() {
        return Err("--store (or TIERMESH_STORE) must name the database, as postgres://USER:PASSWORD@HOST/NAME".into());
    }
    let store = args.store.open("").await?;
    log.partitions(CUSTOMER_EVENTS.name).await?;
    let address = args.listen.listen.unwrap_or_else(|| args.service.default_address());
    let health = Health::default();
    match args.service {
        Service::Ingest => {
            tiermesh_ingest::run(address, log, store, args.ingest.into(), &health, &shutdown).await?;
        }
        service => folding(service, address, log, store, &health, &shutdown).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn folding(
    service: Service,
    address: SocketAddr,
    log: Arc<dyn EventLog>,
    store: SaveStore,
    health: &Health,
    shutdown: &Shutdown,
) -> Result<(), CommandError> {
    let listener = bind(address).await?;
    tracing::info!("{service:?} answers for its health on http://{}/readyz", listener.local_addr()?);
    let answering = serve(listener, health.router(), shutdown);
    let context = ServiceContext { log, store, stop: shutdown.soft() };
    let running = async {
        let outcome = match service {
            Service::Ingest | Service::Scoring => tiermesh_scoring::run(context).await,
            Service::ChurnWarning => tiermesh_churn_warning::run(context).await,
        };
        // However it ended, the process ends with it.
        shutdown.stop();
        outcome
    };
    tokio::select! {
        outcome = async { tokio::join!(running, answering) } => {
            outcome.0?;
            outcome.1?;
        }
        () = shutdown.hard_stopped() => return Err("stopped before everything was saved; the next start folds it again".into()),
    }
    Ok(())
}
