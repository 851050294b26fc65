//! Reading many partitions at once: what stands there already, then what comes.

use std::{collections::BTreeMap, sync::Arc};

use tiermesh_event_log::{EventLog, LogError, Record};
use tiermesh_processing::origin_of;
use tokio::sync::mpsc;

use super::{
    Args,
    line::{Line, What},
};
use crate::cli::CommandError;

/// Records asked for at a time.
const BATCH: usize = 1_000;
/// Batches read ahead of what is shown.
const AHEAD: usize = 16;

/// Which partitions of what.
pub(super) type Places = Vec<(What, u32)>;

/// What stands in the log already.
pub(super) struct Begun {
    /// The lines to show first.
    pub(super) lines: Vec<Line>,
    /// Where to go on.
    pub(super) next: Vec<(What, u32, u64)>,
}

/// Reads what is to be shown of what stands there, if anything is.
pub(super) async fn begin(log: &dyn EventLog, places: &Places, args: &Args) -> Result<Begun, CommandError> {
    let mut begun = Begun { lines: Vec::new(), next: Vec::new() };
    for (what, partition) in places {
        let extent = log.extent(what.topic(), *partition).await?;
        let first = match args.last {
            _ if args.from_start => extent.start,
            None => extent.end,
            // Of one customer, or of what has lines of several kinds, nobody knows how far back the last ones are.
            Some(_) if args.customer.is_some() || *what == What::Events => extent.start,
            Some(last) => extent.end.saturating_sub(last as u64).max(extent.start),
        };
        let mut repeats = Repeats::default();
        let mut next = first.max(1);
        if next < extent.end {
            let mut reader = log.read(what.topic(), *partition, next).await?;
            while next < extent.end {
                for record in reader.next(BATCH).await?.into_iter().filter(|record| record.offset < extent.end) {
                    next = record.offset + 1;
                    begun.lines.extend(line(*what, *partition, &record, args, &mut repeats)?);
                }
                if let Some(last) = args.last {
                    keep_last(&mut begun.lines, last);
                }
            }
        }
        begun.next.push((*what, *partition, extent.end));
    }
    begun.lines.sort_by_key(|line| line.at_ms);
    if let Some(last) = args.last {
        begun.lines.drain(..begun.lines.len().saturating_sub(last));
    }
    Ok(begun)
}

/// Keeps the last by time; more are kept while reading goes on, so that sorting pays.
fn keep_last(lines: &mut Vec<Line>, last: usize) {
    if lines.len() > last.saturating_mul(2).max(BATCH) {
        lines.sort_by_key(|line| line.at_ms);
        lines.drain(..lines.len() - last);
    }
}

/// Shows what comes, for ever.
pub(super) async fn follow(
    log: Arc<dyn EventLog>,
    places: Vec<(What, u32, u64)>,
    args: &Args,
    mut show: impl FnMut(&Line) -> std::io::Result<()>,
) -> Result<(), CommandError> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    for (what, partition, next) in places {
        let (log, sender) = (Arc::clone(&log), sender.clone());
        tokio::spawn(async move {
            let failed = read_on(&*log, what, partition, next, &sender).await;
            if let Err(error) = failed {
                // Nobody is left to be told once the command has ended.
                let _ = sender.send(Err(error)).await;
            }
        });
    }
    drop(sender);
    let mut repeats: BTreeMap<(What, u32), Repeats> = BTreeMap::new();
    while let Some(read) = receiver.recv().await {
        let (what, partition, records) = read?;
        let repeats = repeats.entry((what, partition)).or_default();
        for record in &records {
            if let Some(line) = line(what, partition, record, args, repeats)? {
                show(&line)?;
            }
        }
    }
    Ok(())
}

type Read = Result<(What, u32, Vec<Record>), LogError>;

async fn read_on(
    log: &dyn EventLog,
    what: What,
    partition: u32,
    next: u64,
    sender: &mpsc::Sender<Read>,
) -> Result<(), LogError> {
    let mut reader = log.read(what.topic(), partition, next).await?;
    loop {
        let records = reader.next(BATCH).await?;
        if sender.send(Ok((what, partition, records))).await.is_err() {
            return Ok(());
        }
    }
}

/// What a service said last here: a deposed owner may say it again.
#[derive(Default)]
struct Repeats(BTreeMap<(String, u32), u64>);

impl Repeats {
    fn is_one(&mut self, record: &Record) -> bool {
        let Some(origin) = origin_of(record) else { return false };
        let last = self.0.entry((origin.service, origin.partition)).or_default();
        let repeated = origin.sequence <= *last;
        *last = origin.sequence.max(*last);
        repeated
    }
}

fn line(
    what: What,
    partition: u32,
    record: &Record,
    args: &Args,
    repeats: &mut Repeats,
) -> Result<Option<Line>, LogError> {
    if repeats.is_one(record) {
        return Ok(None);
    }
    Ok(Line::of(what, partition, record)?.filter(|line| args.wants(line)))
}
