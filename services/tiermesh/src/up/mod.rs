//! `tiermesh up`: the whole mesh in one process.

mod background;
mod beginning;
mod demo;
mod introduction;
mod mesh;
mod stages;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use tiermesh_ingest::IngestArgs;
use tiermesh_service_host::{Shutdown, TelemetryArgs, listen_address};

use self::{
    demo::Receiver,
    introduction::Introduction,
    mesh::{Mesh, Options},
};
use crate::{cli::CommandError, connect::DEFAULT_DATA, ready};

/// Runs the whole mesh in this process, on an embedded log and store.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh up --demo")]
// Notification's are named `Args` too, and stand among them.
#[group(id = "up")]
pub struct Args {
    /// Loads a year of real invoices of a shop, moved in time so that it ends now, and lets the shop go on: orders,
    /// refunds, complaints, and a receiver of webhooks. Without --data it leaves nothing behind.
    #[arg(long)]
    demo: bool,
    /// With --demo: how many events a second the shop sends; 0 for none.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "demo", value_parser = clap::value_parser!(u32).range(0..=100))]
    events_per_second: u32,
    /// Where log and state are kept; made if need be.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen for HTTP.
    #[arg(
        long,
        env = "TIERMESH_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:7171",
        value_parser = listen_address
    )]
    listen: SocketAddr,
    /// Partitions of a new mesh, 8 unless said otherwise. They can't be changed later.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    partitions: Option<u32>,
    #[command(flatten)]
    ingest: IngestArgs,
    #[command(flatten)]
    notification: tiermesh_notification::Args,
    #[command(flatten)]
    telemetry: TelemetryArgs,
    /// Prints what to know about the running mesh as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it until it is asked to stop.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let telemetry = args.telemetry.start("up")?;
    let ran = up(args).await;
    // Last: what the services did until their end is to be told too.
    telemetry.stop().await;
    ran.map(|()| ExitCode::SUCCESS)
}

async fn up(args: Args) -> Result<(), CommandError> {
    let shutdown = Shutdown::on_signals()?;
    let temporary = match (&args.data, args.demo) {
        (None, true) => Some(tempfile::Builder::new().prefix("tiermesh-demo-").tempdir()?),
        _ => None,
    };
    let data = match (&args.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => PathBuf::from(DEFAULT_DATA),
    };
    // Who has routes of their own wants to see where those lead.
    let receiver = match args.demo && args.notification.routes.is_none() {
        true => Some(Receiver::start(args.json, &shutdown).await?),
        false => None,
    };
    let routes = match &receiver {
        Some(receiver) => receiver.routes()?,
        None => args.notification.routes()?,
    };
    let options = Options {
        data: &data,
        partitions: args.partitions,
        listen: args.listen,
        ingest: args.ingest,
        routes,
        policies: if args.demo { &ready::DEMO } else { &ready::POLICIES },
    };
    let mesh = Mesh::start(options, &shutdown).await?;
    if args.demo && !mesh.is_new {
        shutdown.stop();
        mesh.stop(&shutdown).await;
        let data = data.display();
        return Err(format!(
            "{data} has a history already, and --demo loads one: leave out --demo, or name a new --data directory"
        )
        .into());
    }
    Introduction {
        url: mesh.local_url(),
        data: &data,
        asks_for_keys: mesh.asks_for_keys(),
        webhooks: receiver.map(|receiver| receiver.url()),
    }
    .print(args.json);
    let demo = async {
        if args.demo {
            demo::run(&mesh, args.events_per_second, args.json).await?;
        }
        std::future::pending::<Result<(), CommandError>>().await
    };
    let failed = tokio::select! {
        failed = mesh.failed() => Some(CommandError::from(failed)),
        outcome = demo => outcome.err(),
        () = shutdown.stopped() => None,
    };
    shutdown.stop();
    mesh.stop(&shutdown).await;
    failed.map_or(Ok(()), Err)
}
