//! The demo: a year of real invoices, loaded as anybody loads history, and then a shop that goes on: orders, refunds and
//! complaints, sent as anybody sends them, and a receiver of webhooks that hears what comes of it.

mod invoices;
mod receiver;
mod stream;
mod summary;

use std::time::{Duration, Instant};

use clap::Parser;
use tiermesh_domain::time::format_instant;
use tiermesh_event_log::topics::CUSTOMER_EVENTS;
use tiermesh_ingest::{NewKey, Scope};

pub use self::receiver::Receiver;
use self::{
    invoices::{Past, Shopper},
    stream::{Shop, play},
    summary::Summary,
};
use super::mesh::Mesh;
use crate::{
    cli::CommandError,
    send::{self, KeyArgs},
};

/// How long the services may take to be through with the history.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Parser)]
struct SendCommand {
    #[command(flatten)]
    args: send::Args,
}

/// Loads the past, tells what it came to, and lets the shop go on for as long as it is awaited.
pub async fn run(mesh: &Mesh, events_per_second: u32, json: bool) -> Result<(), CommandError> {
    let url = mesh.local_url();
    let key = key(mesh).await?;
    let shoppers = load(mesh, &url, &key, json).await?;
    if events_per_second > 0 {
        play(&url, &key, Shop::with(shoppers), events_per_second).await;
    }
    Ok(())
}

/// Where others can reach the mesh, it asks for keys: then the demo makes one for itself, as anybody would.
async fn key(mesh: &Mesh) -> Result<KeyArgs, CommandError> {
    if !mesh.asks_for_keys() {
        return Ok(KeyArgs::default());
    }
    let key = NewKey::generate("demo", vec!["*".to_owned()], &[Scope::Events, Scope::Operate])?;
    mesh.store.create_api_key(&key.stored).await?;
    Ok(KeyArgs::of(key.text))
}

/// Loads the invoices, waits until the services are through with them, and tells what they came to.
async fn load(mesh: &Mesh, url: &str, key: &KeyArgs, json: bool) -> Result<Vec<Shopper>, CommandError> {
    let began = Instant::now();
    let Past { file, until, shoppers } = Past::until(tiermesh_ingest::Clock::system().now_ms())?;
    let path = file.path().display().to_string();
    let until = format_instant(until);
    let command = ["send", "--history", "--mapping", "retail", "--until", &until, "--to", url, "--quiet", &path];
    let sent = SendCommand::try_parse_from(command)?;
    send::send(&sent.args.with_key(key.clone())).await?;
    folded(mesh).await?;
    let summary = Summary::read(mesh).await?;
    if json {
        summary.print_json(began.elapsed());
    } else {
        summary.print(began.elapsed());
    }
    Ok(shoppers)
}

/// Waits until scoring and churn-warning have saved everything that the log holds now: then all of its outputs stand.
async fn folded(mesh: &Mesh) -> Result<(), CommandError> {
    let partitions = mesh.log.partitions(CUSTOMER_EVENTS.name).await?;
    let mut ends = Vec::new();
    for partition in 0..partitions {
        ends.push(mesh.log.extent(CUSTOMER_EVENTS.name, partition).await?.end);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let positions = mesh.store.positions().await?;
        let through = |service: &str| {
            ends.iter().zip(0_u32..).all(|(end, partition)| {
                positions.iter().any(|standing| {
                    standing.processor == service
                        && standing.partition == partition
                        && standing.position.next_offset >= *end
                })
            })
        };
        if through("scoring") && through("churn-warning") {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("the services are not through with the history; the log lines above say why".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
