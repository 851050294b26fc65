//! `tiermesh dead-letters`: what was refused, shown, corrected, and sent again.

mod correct;
mod letters;
mod list;
mod send;

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use tiermesh_event_log::{EventLog, LogError};

pub(crate) use self::letters::became;
use self::{letters::Letter, list::Filter};
use crate::{
    cli::CommandError,
    connect::SourceArgs,
    send::{DEFAULT_URL, KeyArgs},
};

/// Lists, shows, corrects and sends again what was refused.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  tiermesh dead-letters list\n  tiermesh dead-letters send 3-17 --set data.amount=12.00"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists dead letters that nothing has become of yet, the oldest first.
    #[command(
        after_help = "Example:\n  tiermesh dead-letters list --source erp/retail --since 2026-01-01T00:00:00Z\n  tiermesh dead-letters list --field data.amount --json"
    )]
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        log: SourceArgs,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Shows dead letters whole: why, where from, and the event as it came.
    #[command(after_help = "Example:\n  tiermesh dead-letters show 3-17")]
    Show {
        /// As `dead-letters list` shows them.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        log: SourceArgs,
        /// JSON, which is what it prints anyway.
        #[arg(long)]
        json: bool,
    },
    /// Corrects the events of dead letters and sends them to ingest; those that it takes are dealt with.
    #[command(
        after_help = "Examples:\n  tiermesh dead-letters send 3-17 --set data.amount=12.00 --set data.severity:=3\n  tiermesh dead-letters send 3-17 5-2 --file corrected.ndjson"
    )]
    Send {
        /// As `dead-letters list` shows them.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Sets a field of each event: PATH=TEXT, or PATH:=JSON for numbers, objects and null. May be repeated.
        #[arg(long, value_name = "PATH=TEXT")]
        set: Vec<String>,
        /// The corrected events instead, one a line, in the order of the ids.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        ingest: Ingest,
        #[command(flatten)]
        log: SourceArgs,
        /// Print what became of each as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says that nothing is to come of dead letters: they are dealt with.
    #[command(after_help = "Example:\n  tiermesh dead-letters dismiss 3-17 --reason 'sent by a test'")]
    Dismiss {
        /// As `dead-letters list` shows them.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Why; it is kept.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        ingest: Ingest,
        /// Print what became of each as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Where ingest is, and the key for it.
#[derive(Debug, clap::Args)]
struct Ingest {
    /// Where ingest listens.
    #[arg(long, value_name = "URL", env = "TIERMESH_URL", default_value = DEFAULT_URL)]
    to: String,
    #[command(flatten)]
    key: KeyArgs,
}

/// How many dead letters are open.
pub async fn count_open(log: &dyn EventLog) -> Result<usize, LogError> {
    Ok(letters::read(log).await?.iter().filter(|letter| letter.is_open()).count())
}

/// Runs it.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    match args.command {
        Command::List { filter, log, json } => {
            let filter = filter.checked()?;
            list::list(&letters::read(&*log.open().await?).await?, &filter, json)
        }
        Command::Show { ids, log, json: _ } => {
            let letters = letters::read(&*log.open().await?).await?;
            for id in &ids {
                println!("{:#}", named(&letters, id)?.shown());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Send { ids, set, file, ingest, log, json } => {
            let letters = letters::read(&*log.open().await?).await?;
            let letters = ids.iter().map(|id| named(&letters, id)).collect::<Result<Vec<_>, _>>()?;
            let events = correct::corrected(&letters, &set, file.as_deref())?;
            send::send(&letters, &events, &ingest, json).await
        }
        Command::Dismiss { ids, reason, ingest, json } => send::dismiss(&ids, &reason, &ingest, json).await,
    }
}

fn named<'a>(letters: &'a [Letter], id: &str) -> Result<&'a Letter, CommandError> {
    let found = letters.iter().find(|letter| letter.id == id || letter.also.iter().any(|also| also == id));
    found.ok_or_else(|| {
        format!("there is no dead letter {id:?}; `tiermesh dead-letters list --all` shows those there are").into()
    })
}
