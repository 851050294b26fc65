//! `tiermesh serve`: one service against Kafka and PostgreSQL, a subcommand each with what that service takes.

mod folding;
mod place;

use std::process::ExitCode;

use clap::Subcommand;
use tiermesh_ingest::IngestArgs;
use tiermesh_service_host::{Health, Shutdown};

use self::{folding::Folding, place::PlaceArgs};
use crate::cli::CommandError;

/// Runs one service against Kafka and PostgreSQL. Start more of them to grow: they share the partitions.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  tiermesh serve scoring --kafka localhost:9092 --store postgres://tiermesh:secret@localhost/tiermesh"
)]
pub struct Args {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// Takes events in; listens on 7171.
    #[command(
        after_help = "Example:\n  tiermesh serve ingest --kafka localhost:9092 --store postgres://tiermesh:secret@localhost/tiermesh --listen 0.0.0.0:7171"
    )]
    Ingest {
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        ingest: IngestArgs,
    },
    /// Gives tiers; its health is on 7172.
    #[command(
        after_help = "Example:\n  tiermesh serve scoring --kafka localhost:9092 --store postgres://tiermesh:secret@localhost/tiermesh"
    )]
    Scoring {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Gives loss signals; its health is on 7173.
    #[command(
        after_help = "Example:\n  tiermesh serve churn-warning --kafka localhost:9092 --store postgres://tiermesh:secret@localhost/tiermesh"
    )]
    ChurnWarning {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Tells people and systems, by routes; listens on 7174.
    #[command(
        after_help = "Example:\n  tiermesh serve notification --routes routes.toml --kafka localhost:9092 --store postgres://tiermesh:secret@localhost/tiermesh"
    )]
    Notification {
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        notification: tiermesh_notification::Args,
    },
    /// Shows the mesh: the web page and the query API; listens on 7175.
    #[command(
        after_help = "Example:\n  tiermesh serve console --kafka localhost:9092 --store postgres://tiermesh:secret@localhost/tiermesh --listen 0.0.0.0:7175"
    )]
    Console {
        #[command(flatten)]
        place: PlaceArgs,
    },
}

impl Service {
    /// The service's name, and where it listens unless told otherwise: ingest for events, folding ones for their health.
    fn standing(&self) -> (&'static str, u16, &PlaceArgs) {
        match self {
            Self::Ingest { place, .. } => ("ingest", 7171, place),
            Self::Scoring { place } => ("scoring", 7172, place),
            Self::ChurnWarning { place } => ("churn-warning", 7173, place),
            Self::Notification { place, .. } => ("notification", 7174, place),
            Self::Console { place } => ("console", 7175, place),
        }
    }
}

/// Runs it until it is asked to stop.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let shutdown = Shutdown::on_signals()?;
    let (name, _, place) = args.service.standing();
    let telemetry = place.telemetry.start(name)?;
    let served = serve(args.service, &shutdown).await;
    // Last: what the others did until their end is to be told too.
    telemetry.stop().await;
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(service: Service, shutdown: &Shutdown) -> Result<(), CommandError> {
    let (_, port, place) = service.standing();
    let address = place.address(port);
    let inbound = match &service {
        Service::Ingest { place, ingest } => ingest.read_inbound(Some(&place.kafka()?))?,
        _ => None,
    };
    let Some((log, store)) = place.reach(shutdown).await? else { return Ok(()) };
    let health = Health::default();
    crate::logic::tell(&health);
    let folding = Folding { address, log: log.clone(), store: store.clone(), health: &health, shutdown };
    match service {
        Service::Ingest { ingest, .. } => {
            let settings = tiermesh_ingest::Settings { inbound, ..ingest.into() };
            tiermesh_ingest::run(address, log, store, settings, &health, shutdown).await?;
        }
        Service::Scoring { .. } => folding.run("scoring", tiermesh_scoring::run).await?,
        Service::ChurnWarning { .. } => folding.run("churn-warning", tiermesh_churn_warning::run).await?,
        Service::Notification { notification, .. } => {
            tiermesh_notification::run(address, log, store, notification.routes()?, &health, shutdown).await?;
        }
        Service::Console { .. } => tiermesh_console::run(address, log, store, &health, shutdown).await?,
    }
    Ok(())
}
