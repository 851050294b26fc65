//! `tiermesh logic`: how facts are folded, who knows what, and the next way of folding put in force.

use std::{process::ExitCode, time::Duration};

use clap::Subcommand;
use serde_json::{Value, json};
use tiermesh_domain::scoring::KNOWN_LOGIC;
use tiermesh_service_host::Health;

use crate::{cli::CommandError, policy::ask_ingest, send::KeyArgs};

/// How long an instance may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// Shows how facts are folded, and what this release and the instances that are asked know.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  tiermesh logic\n  tiermesh logic --url http://scoring-1:7172 --url http://churn-warning-1:7173\n  tiermesh logic activate 2"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// An instance of a service to ask what it knows; may be repeated.
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    #[command(flatten)]
    ingest: IngestArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Folds so from the next record on, for good: once every instance is of a release that knows it.
    #[command(after_help = "Example:\n  tiermesh logic activate 2 --to http://127.0.0.1:7171")]
    Activate {
        /// Its number.
        logic: u32,
        #[command(flatten)]
        ingest: IngestArgs,
    },
}

#[derive(Debug, clap::Args)]
struct IngestArgs {
    /// Where ingest listens.
    #[arg(long, value_name = "URL", env = "TIERMESH_URL", default_value = crate::send::DEFAULT_URL)]
    to: String,
    #[command(flatten)]
    key: KeyArgs,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    match args.command {
        None => show(&args.ingest, &args.urls).await,
        Some(Command::Activate { logic, ingest }) => activate(&ingest, logic).await,
    }
}

/// Has a process tell which ways of folding it knows.
pub fn tell(health: &Health) {
    health.tell("release", env!("CARGO_PKG_VERSION"));
    health.tell("logic", KNOWN_LOGIC.to_vec());
}

/// Which ways of folding an instance says that it knows; `None` if it doesn't answer, or says nothing of it.
pub async fn known_by(url: &str) -> Option<Vec<u64>> {
    let client = reqwest::Client::builder().timeout(LIMIT).build().ok()?;
    let url = format!("{}/healthz", url.trim_end_matches('/').trim_end_matches("/readyz"));
    let told: Value = client.get(url).send().await.ok()?.json().await.ok()?;
    told["logic"].as_array().map(|known| known.iter().filter_map(Value::as_u64).collect())
}

async fn show(ingest: &IngestArgs, urls: &[String]) -> Result<ExitCode, CommandError> {
    let in_force = ask_ingest(&ingest.to, &ingest.key, |client, to| client.get(format!("{to}/v1/logic"))).await?;
    let mut instances = Vec::new();
    for url in urls {
        instances.push((url, known_by(url).await));
    }
    if ingest.json {
        let instances = instances.iter().map(|(url, known)| json!({"url": url, "known": known}));
        let instances = instances.collect::<Vec<_>>();
        println!(
            "{}",
            json!({
                "active": in_force["active"],
                "known_here": KNOWN_LOGIC,
                "known_by_ingest": in_force["known"],
                "instances": instances,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("in force: logic {}", in_force["active"]);
    println!("this release knows {}", numbers(KNOWN_LOGIC.iter().map(|logic| u64::from(*logic))));
    let by_ingest = in_force["known"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    println!("ingest at {} knows {}", ingest.to, numbers(by_ingest));
    for (url, known) in &instances {
        match known {
            Some(known) => println!("{url} knows {}", numbers(known.iter().copied())),
            None => println!("{url} doesn't say; is it running there?"),
        }
    }
    let newest = KNOWN_LOGIC.last().copied().unwrap_or_default();
    if in_force["active"].as_u64().is_some_and(|active| active < u64::from(newest)) {
        println!("\nOnce every instance knows it: tiermesh logic activate {newest}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn activate(ingest: &IngestArgs, logic: u32) -> Result<ExitCode, CommandError> {
    let answer = ask_ingest(&ingest.to, &ingest.key, |client, to| {
        client.post(format!("{to}/v1/logic")).json(&json!({"logic": logic}))
    })
    .await?;
    if ingest.json {
        println!("{answer}");
    } else {
        println!("logic {logic}: {}", answer["status"].as_str().unwrap_or("in force"));
    }
    Ok(ExitCode::SUCCESS)
}

/// `1, 2`.
pub fn numbers(known: impl IntoIterator<Item = u64>) -> String {
    known.into_iter().map(|logic| logic.to_string()).collect::<Vec<_>>().join(", ")
}
