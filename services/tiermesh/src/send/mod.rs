//! `tiermesh send`: events from files to ingest. What is sent twice counts once, so that it may be repeated at any time.

mod batches;
mod history;
mod interrupt;
mod key;
mod live;
mod patience;
mod progress;
mod server;
mod tally;
#[cfg(test)]
mod tests;
mod unreadable;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use tiermesh_domain::time::{Millis, parse_instant};

pub(crate) use self::{
    key::KeyArgs,
    server::{Failure, Server},
    tally::Tally,
};
use self::{patience::Patience, progress::Progress};
use crate::{
    cli::CommandError,
    input::{InputArgs, read_events},
    reading::not_an_instant,
};

/// Where ingest listens unless said otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:7171";

/// Sends events from files. What was sent before counts once: after a failure, just send it again.
///
/// Ends with 0 if everything was taken, 1 if events were refused or ingest could not be reached, 2 if the command is
/// wrong or a file can't be read.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Examples:\n  tiermesh send orders.ndjson\n  tiermesh send --history --mapping retail --until 2010-12-01T00:00:00Z invoices.csv.gz"
)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Events: NDJSON or CSV, plain or gzip; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// Load as history, into a mesh that isn't live yet: sorted, a tick after each day; live at the end.
    #[arg(long)]
    history: bool,
    /// With --history: where it ends; a tick stands there, and what happened after it is not sent.
    #[arg(long, value_name = "INSTANT", requires = "history")]
    until: Option<String>,
    /// With --history: more is to come, so don't go live at the end.
    #[arg(long, requires = "history")]
    more: bool,
    /// Where ingest listens.
    #[arg(long, value_name = "URL", env = "TIERMESH_URL", default_value = DEFAULT_URL)]
    to: String,
    #[command(flatten)]
    key: KeyArgs,
    /// How long to try again, in seconds, while ingest can't be reached or is busy. Unless said, 60 once it was
    /// reached, and not at all before.
    #[arg(long, value_name = "SECONDS")]
    retry_for: Option<u64>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Print nothing.
    #[arg(long)]
    quiet: bool,
}

impl Args {
    /// The same, showing this key.
    pub(crate) fn with_key(self, key: KeyArgs) -> Self {
        Self { key, ..self }
    }
}

/// Why not everything was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The command or a file is wrong.
    #[error("{0}")]
    Usage(CommandError),
    /// Ingest could not be reached, or denied it.
    #[error(transparent)]
    Server(#[from] Failure),
    /// Something broke.
    #[error("{0}")]
    Broken(String),
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> Result<ExitCode, CommandError> {
    match send(&args).await {
        Ok(tally) if tally.refused > 0 => Ok(ExitCode::from(1)),
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(SendError::Usage(error)) => {
            eprintln!("tiermesh: {error}");
            Ok(ExitCode::from(2))
        }
        Err(error) => Err(error.into()),
    }
}

/// Sends, tells what it came to, and gives it.
pub(crate) async fn send(args: &Args) -> Result<Tally, SendError> {
    let began = Instant::now();
    let until = until(args).map_err(SendError::Usage)?;
    let server = Server::at(&args.to, &args.key).map_err(|error| SendError::Usage(error.to_string().into()))?;
    let events = read_events(&args.files, &args.input).map_err(SendError::Usage)?;
    let progress = Progress::start(args.quiet || args.json);
    let patience = Patience::of(args.retry_for.map(Duration::from_secs), args.quiet);
    let mut tally = Tally::default();
    let sent = if args.history {
        let end = history::End { until, live: !args.more };
        history::send(&server, events, end, patience, &progress, &mut tally).await
    } else {
        live::send(&server, events, patience, &progress, &mut tally).await
    };
    progress.finish();
    // What was taken before a failure is worth knowing too.
    if args.json {
        println!("{}", tally.json(began.elapsed()));
    } else if !args.quiet {
        println!("{}", tally.table(began.elapsed()));
    }
    sent.map(|()| tally)
}

fn until(args: &Args) -> Result<Option<Millis>, CommandError> {
    let Some(text) = &args.until else { return Ok(None) };
    match parse_instant(text) {
        Some(until) => Ok(Some(until)),
        None => Err(not_an_instant("--until", text).into()),
    }
}
