//! `tiermesh export`: everybody's tiers, every change, every signal, in the form of `simulate`.
//!
//! Customers are folded from the log, with the code that scoring runs: no read model is needed, and none can disagree.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use tiermesh_domain::{
    lines,
    scoring::{CustomerStanding, Scoring},
};
use tiermesh_event_log::{
    EventLog, LogError,
    topics::{CHURN_SIGNALS, CUSTOMER_EVENTS, TIER_CHANGES},
};
use tiermesh_proto::v1::{LossSignal, TierChange};

use crate::{
    cli::CommandError,
    connect::SourceArgs,
    reading::{each_output, each_record},
};

/// Writes everybody's tiers, every tier change or every loss signal, one JSON object a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh export customers --data tiermesh-data > customers.ndjson")]
pub struct Args {
    /// What to write.
    #[arg(value_enum)]
    what: What,
    #[command(flatten)]
    source: SourceArgs,
    /// The file to write; standard output otherwise.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// JSON lines, which is what it writes anyway.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// Where everybody stands under every policy.
    Customers,
    /// Every tier change.
    Changes,
    /// Every loss signal raised and ended.
    Signals,
}

/// Runs it.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let log = args.source.open().await?;
    let lines: Vec<String> = match args.what {
        What::Customers => customers(&*log).await?.iter().map(lines::customer).collect(),
        What::Changes => changes(&*log).await?.iter().map(lines::change).collect(),
        What::Signals => signals(&*log).await?.iter().filter_map(lines::signal).collect(),
    };
    let mut out: Box<dyn Write> = match &args.out {
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|error| format!("--out {}: {error}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
    };
    for line in lines {
        match writeln!(out, "{line}") {
            // Whoever reads has had enough, as `head` does.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            written => written?,
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Where everybody stands at the end of the log, by customer and policy.
pub async fn customers(log: &dyn EventLog) -> Result<Vec<CustomerStanding>, LogError> {
    let partitions = log.partitions(CUSTOMER_EVENTS.name).await?;
    let mut standings = Vec::new();
    for partition in 0..partitions {
        let mut scoring = Scoring::new(partitions);
        let mut effects = Vec::new();
        each_record(log, CUSTOMER_EVENTS.name, partition, |record| {
            let event = CUSTOMER_EVENTS.decode(&record)?;
            effects.clear();
            let taken = scoring.take(&event, &mut effects);
            taken.map(|_| ()).map_err(|error| LogError::Corrupt(format!("offset {}: {error}", record.offset)))
        })
        .await?;
        standings.extend(scoring.standings());
    }
    lines::sort_customers(&mut standings);
    Ok(standings)
}

/// Every tier change said, by (at, customer, programme, policy).
pub async fn changes(log: &dyn EventLog) -> Result<Vec<TierChange>, LogError> {
    let mut changes: Vec<TierChange> = Vec::new();
    for partition in 0..log.partitions(TIER_CHANGES.name).await? {
        each_output(log, "scoring", TIER_CHANGES.name, partition, |record| {
            changes.push(TIER_CHANGES.decode(&record)?);
            Ok(())
        })
        .await?;
    }
    lines::sort_changes(&mut changes);
    Ok(changes)
}

/// Every loss signal said, by (at, customer, detector).
pub async fn signals(log: &dyn EventLog) -> Result<Vec<LossSignal>, LogError> {
    let mut signals: Vec<LossSignal> = Vec::new();
    for partition in 0..log.partitions(CHURN_SIGNALS.name).await? {
        each_output(log, "churn-warning", CHURN_SIGNALS.name, partition, |record| {
            signals.push(CHURN_SIGNALS.decode(&record)?);
            Ok(())
        })
        .await?;
    }
    lines::sort_signals(&mut signals);
    Ok(signals)
}
