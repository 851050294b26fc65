//! `tiermesh doctor`: what can be reached, what is wrong, and what to do about it.

mod finding;
mod logic;
mod money;
mod outcomes;
mod pace;
mod reach;
mod saves;
mod standing;

use std::process::ExitCode;

use comfy_table::{Table, presets::NOTHING};
use serde_json::json;
use tiermesh_event_log::EventLog;
use tiermesh_service_host::StoreArgs;
use tiermesh_store::SaveStore;

use self::finding::{Finding, State};
use crate::{cli::CommandError, connect::SourceArgs};

/// Says what can be reached, what is wrong, and what to do about it: exit status 1 if something is wrong.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tiermesh doctor\n  tiermesh doctor --kafka localhost:9092 --store postgres://tiermesh:secret@localhost/tiermesh --url http://127.0.0.1:7171"
)]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// A service to ask whether it is ready; may be repeated. Unless said otherwise those on their own ports here.
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// An OpenTelemetry collector that should be there.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp: Option<String>,
    /// Leaves out what takes reading all events.
    #[arg(long)]
    quick: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let findings = examine(&args).await;
    let wrong = findings.iter().filter(|finding| finding.state == State::Wrong).count();
    if args.json {
        println!("{}", json!({"wrong": wrong, "findings": findings}));
    } else {
        print_for_people(&findings, wrong);
    }
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

async fn examine(args: &Args) -> Vec<Finding> {
    let mut findings = reach::services(args).await;
    findings.extend(reach::disk(args));
    let store = match reach::store(args).await {
        Ok(store) => {
            findings.push(pace::of_store(&store).await);
            Some(store)
        }
        Err(finding) => {
            findings.push(finding);
            None
        }
    };
    match args.source.open().await {
        Ok(log) => {
            // Alone, before the others keep it busy.
            findings.extend(pace::of_log(&*log).await);
            // One part that can't be read must not hide what the others say; and where nobody answers they wait together.
            let (standing, saves, outcomes) = tokio::join!(
                standing::findings(&*log, args),
                with_store(&*log, store.as_ref(), args),
                outcomes::findings(&*log),
            );
            for part in [standing, saves, outcomes] {
                match part {
                    Ok(part) => findings.extend(part),
                    Err(error) => findings.push(unreadable(error)),
                }
            }
        }
        Err(error) => {
            findings.push(Finding::wrong("log", error.to_string(), "name it with --data DIR or --kafka BROKERS"))
        }
    }
    findings
}

async fn with_store(log: &dyn EventLog, store: Option<&SaveStore>, args: &Args) -> Result<Vec<Finding>, CommandError> {
    match store {
        Some(store) => saves::findings(log, store, args).await,
        None => Ok(Vec::new()),
    }
}

fn unreadable(error: CommandError) -> Finding {
    Finding::wrong("log", error.to_string(), "if it can be reached and this stays, see docs/operations.md")
}

fn print_for_people(findings: &[Finding], wrong: usize) {
    let mut table = Table::new();
    table.load_style(NOTHING);
    for finding in findings {
        let mark = match finding.state {
            State::Well => "well",
            State::Note => "note",
            State::Wrong => "WRONG",
        };
        let mut what = finding.what.clone();
        if !finding.remedy.is_empty() {
            what = format!("{what}\n→ {}", finding.remedy);
        }
        table.add_row([mark, finding.area, &what]);
    }
    println!("{}", table.trim_fmt());
    match wrong {
        0 => println!("\nNothing is wrong."),
        1 => println!("\n1 thing is wrong."),
        _ => println!("\n{wrong} things are wrong."),
    }
}
