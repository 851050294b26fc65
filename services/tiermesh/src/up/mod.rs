//! `tiermesh up`: the whole mesh in one process.

mod demo;
mod mesh;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use comfy_table::{Table, presets::NOTHING};
use tiermesh_event_log::topics::DEFAULT_EMBEDDED_PARTITIONS;
use tiermesh_ingest::IngestArgs;
use tiermesh_service_host::Shutdown;

use crate::{cli::CommandError, connect::DEFAULT_DATA};

/// Runs the whole mesh in this process, on an embedded log and store.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh up --demo")]
pub struct Args {
    /// Loads a year of real invoices of a shop, moved in time so that it ends now. Without --data they go to a
    /// directory that is removed in the end.
    #[arg(long)]
    demo: bool,
    /// Where log and state are kept; made if need be.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen for HTTP.
    #[arg(long, env = "TIERMESH_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:7171")]
    listen: SocketAddr,
    /// Partitions of a new mesh. They can't be changed later.
    #[arg(long, default_value_t = DEFAULT_EMBEDDED_PARTITIONS, value_parser = clap::value_parser!(u32).range(1..=256))]
    partitions: u32,
    #[command(flatten)]
    ingest: IngestArgs,
    /// Prints what to know about the running mesh as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it until it is asked to stop.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
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
    let mesh = mesh::Mesh::start(&data, args.partitions, args.listen, args.ingest, &shutdown).await?;
    if args.demo && !mesh.is_new {
        shutdown.stop();
        mesh.stop(&shutdown).await;
        let data = data.display();
        return Err(format!(
            "{data} has a history already, and --demo loads one: leave out --demo, or name a new --data directory"
        )
        .into());
    }
    let url = format!("http://{}", mesh.address());
    introduce(&args, &data, &url);
    let demo = async {
        if args.demo {
            demo::load(&mesh, &url, args.json).await?;
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
    match failed {
        Some(error) => Err(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn introduce(args: &Args, data: &std::path::Path, url: &str) {
    let data = data.display().to_string();
    if args.json {
        println!(
            "{}",
            serde_json::json!({"events": format!("{url}/v1/events"), "ready": format!("{url}/readyz"), "data": data})
        );
        return;
    }
    let rows = [
        ("events", format!("{url}/v1/events"), "POST CloudEvents: one, a batch, or NDJSON"),
        ("policies", format!("{url}/v1/policies"), "what is in force; POST a policy file"),
        ("health", format!("{url}/readyz"), "200 once everything is ready"),
        ("data", data.clone(), "log and state"),
    ];
    let mut table = Table::new();
    table.load_style(NOTHING);
    for (what, place, about) in &rows {
        table.add_row([what, place.as_str(), about]);
    }
    println!("Tiermesh is up.\n{table}\n");
    let to = if args.listen.port() == 7171 { String::new() } else { format!(" --to {url}") };
    println!("Next: tiermesh send FILE.ndjson{to}");
    println!("      tiermesh export customers --data {data}");
    println!("      tiermesh verify --data {data}\n");
}
