//! `tiermesh tail`: what happens, as it happens.

mod fact;
mod follow;
mod line;

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
};

use tiermesh_domain::hash::partition_of;
use tiermesh_event_log::{EventLog, topics::CUSTOMER_EVENTS};

pub(crate) use self::fact::described;
use self::{
    follow::{Places, begin, follow},
    line::{Line, What},
};
use crate::{cli::CommandError, connect::SourceArgs};

/// Shows what happens, as it happens: a line each.
///
/// The embedded log of a mesh that runs is read from its file, five times a second: only the process that owns it is
/// woken by what is written.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tiermesh tail\n  tiermesh tail events changes --customer 17850 --last 20\n  tiermesh tail signals --from-start --json --kafka localhost:9092"
)]
pub struct Args {
    /// What to show; changes, signals and deliveries unless said otherwise.
    #[arg(value_enum)]
    what: Vec<What>,
    /// Only what is about this customer.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Begins with all that stands in the log, by time.
    #[arg(long)]
    from_start: bool,
    /// Begins with so many of the last ones, by time.
    #[arg(long, value_name = "NUMBER", conflicts_with = "from_start")]
    last: Option<usize>,
    /// Ends at the end of the log, instead of waiting for more.
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    source: SourceArgs,
    /// Prints JSON, an object a line.
    #[arg(long)]
    json: bool,
}

/// Runs it until it is interrupted.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let log = args.source.open().await?;
    let mut places: Places = Vec::new();
    for what in args.wanted() {
        let partitions = log.partitions(what.topic()).await?;
        let only = args.only_partition(&*log, what).await?;
        places.extend((0..partitions).filter(|place| only.is_none_or(|only| only == *place)).map(|at| (what, at)));
    }
    let begun = begin(&*log, &places, &args).await?;
    let mut out = BufWriter::new(std::io::stdout());
    let mut show = |line: &Line| -> std::io::Result<()> {
        let shown = if args.json { line.json() } else { line.text() };
        writeln!(out, "{shown}")?;
        out.flush()
    };
    let shown = async {
        for line in &begun.lines {
            show(line)?;
        }
        if args.no_follow {
            return Ok(());
        }
        follow(log, begun.next, &args, show).await
    };
    match shown.await {
        // Whoever reads has had enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        shown => shown.map(|()| ExitCode::SUCCESS),
    }
}

fn is_broken_pipe(error: &CommandError) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

impl Args {
    fn wanted(&self) -> Vec<What> {
        if self.what.is_empty() { vec![What::Changes, What::Signals, What::Deliveries] } else { self.what.clone() }
    }

    /// The one partition that a customer lives in, in the topics that keep to it.
    async fn only_partition(&self, log: &dyn EventLog, what: What) -> Result<Option<u32>, CommandError> {
        match &self.customer {
            Some(customer) if what.is_by_customer() => {
                Ok(Some(partition_of(customer, log.partitions(CUSTOMER_EVENTS.name).await?)))
            }
            _ => Ok(None),
        }
    }

    fn wants(&self, line: &Line) -> bool {
        self.customer.as_ref().is_none_or(|customer| *customer == line.customer)
    }
}
