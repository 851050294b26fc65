//! `fold`: the fold of scoring alone, in this process, without log, runtime and database: what a record costs at least,
//! and what a customer weighs.
//!
//! The records of a history are made first. Then each partition takes a batch in turn, as in a service, and is told what
//! comes next; measured in CPU time of the thread. What a customer weighs shows in the first round only: those behind
//! it get memory that was given back.

use prost::Message;
use tiermesh_domain::{
    fold::{AHEAD, Effect, Fold},
    scoring::Scoring,
};
use tiermesh_proto::v1::{CustomerEvent, Origin, Summary, customer_event::Event};

use crate::{
    Failure, Run,
    history::{self, Partitions},
    orders::{Plan, Skew},
    processes::{resident_bytes, thread_nanoseconds},
    results::{Results, Round, Table, round},
};

/// Sizes of the history.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Orders.
    #[arg(long, default_value_t = 2_000_000)]
    orders: u64,
    /// Customers.
    #[arg(long, default_value_t = 200_000)]
    customers: u32,
    /// Only this one.
    #[arg(long)]
    skew: Option<Skew>,
    /// Partitions.
    #[arg(long, default_value_t = 8)]
    partitions: u32,
    /// Days that the orders are spread over.
    #[arg(long, default_value_t = 500)]
    days: u32,
}

/// Records taken from a partition before it is the next one's turn, as in a service.
const BATCH: usize = 2_000;

const COLUMNS: [(&str, &str, usize); 7] = [
    ("fold", "fold, ns/record", 0),
    ("effects", "effects/order", 3),
    ("bytes", "bytes/customer", 0),
    ("packed", "packed bytes/customer", 0),
    ("pack", "pack everything, s", 2),
    ("load", "load, s", 2),
    ("records", "records", 0),
];

/// Measures it.
///
/// # Errors
/// A fold that doesn't take what was generated for it.
pub fn run(run: &Run, args: &Args) -> Result<Results, Failure> {
    let mut table = Table::new("The fold alone", COLUMNS);
    let skews = args.skew.map_or(vec![Skew::Uniform, Skew::Zipf], |skew| vec![skew]);
    let plan = |skew| Plan {
        orders: run.sized(args.orders, 20_000),
        customers: run.sized(u64::from(args.customers), 2_000) as u32,
        skew,
        days: args.days,
    };
    let mut is_first = true;
    for skew in &skews {
        let log = Log::of(plan(*skew), args.partitions)?;
        for _ in 0..run.rounds() {
            let (mut figures, bytes) = measure(plan(*skew), &log)?;
            if std::mem::take(&mut is_first) {
                figures.insert("bytes".to_owned(), bytes);
            }
            table.add(skew.name(), figures, None)?;
        }
    }
    let plan = plan(skews[0]);
    let mut results = run.results("fold");
    results.settings = [("orders", plan.orders), ("customers", plan.customers.into()), ("days", plan.days.into())]
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .into();
    results.tables.push(table);
    Ok(results)
}

/// A history, and the folds that its cut-points come from.
struct Log {
    /// Kept, so that those measured get memory of their own.
    folds: Vec<Scoring>,
    partitions: Vec<Records>,
    summaries: u64,
}

/// The records of a partition.
#[derive(Clone, Default)]
struct Records {
    /// Their values, end to end, and where each ends.
    values: Vec<u8>,
    ends: Vec<usize>,
    /// Whom each is about: in the log it is the record's key.
    subjects: Vec<Box<str>>,
}

impl Partitions for Log {
    fn take(&mut self, partition: u32, event: CustomerEvent, summaries: &mut Vec<Summary>) -> Result<(), Failure> {
        let records = &mut self.partitions[partition as usize];
        event.encode(&mut records.values)?;
        records.ends.push(records.values.len());
        let subject = match &event.event {
            Some(Event::Fact(fact)) => &*fact.subject,
            _ => "",
        };
        records.subjects.push(subject.into());
        let mut effects = Vec::new();
        self.folds[partition as usize].apply(&event, &mut effects)?;
        for effect in effects {
            if let Effect::Summary(mut summary) = effect {
                let offset = self.partitions[partition as usize].ends.len() as u64;
                self.summaries += u64::from(partition == 0);
                let sequence = self.summaries;
                summary.origin = Some(Origin { service: "scoring".to_owned(), partition, offset, sequence });
                summaries.push(summary);
            }
        }
        Ok(())
    }
}

impl Log {
    fn of(plan: Plan, partitions: u32) -> Result<Self, Failure> {
        let count = partitions as usize;
        let folds = (0..count).map(|_| Scoring::new(partitions)).collect();
        let mut log = Self { folds, partitions: vec![Records::default(); count], summaries: 0 };
        history::write(plan, partitions, &mut log)?;
        Ok(log)
    }

    /// A batch of a partition's records.
    fn batch(&self, partition: usize, from: usize) -> impl Iterator<Item = &[u8]> {
        let Records { values, ends, .. } = &self.partitions[partition];
        let start = move |at: usize| if at == 0 { 0 } else { ends[at - 1] };
        (from..ends.len().min(from + BATCH)).map(move |at| &values[start(at)..ends[at]])
    }
}

/// The figures of one round, and how many bytes the process grew by for each customer.
fn measure(plan: Plan, log: &Log) -> Result<(Round, f64), Failure> {
    let own = std::process::id();
    let before = resident_bytes(own)?;
    let partitions = log.partitions.len();
    let mut folds: Vec<Scoring> = (0..partitions).map(|_| Scoring::new(partitions as u32)).collect();
    let longest = log.partitions.iter().map(|records| records.ends.len()).max().unwrap_or_default();
    let mut effects = Vec::new();
    let (mut folding, mut said) = (0, 0);
    for from in (0..longest).step_by(BATCH) {
        for (partition, fold) in folds.iter_mut().enumerate() {
            let records: Vec<&[u8]> = log.batch(partition, from).collect();
            // A shorter partition is over before the others.
            let subjects = log.partitions[partition].subjects.get(from..from + records.len()).unwrap_or_default();
            let began = thread_nanoseconds()?;
            for (records, subjects) in records.chunks(AHEAD).zip(subjects.chunks(AHEAD)) {
                fold.look_ahead(subjects.iter().map(|subject| &**subject));
                for record in records {
                    match fold.apply_encoded(record, &mut effects) {
                        Some(folded) => folded?,
                        None => fold.apply(&CustomerEvent::decode(*record)?, &mut effects)?,
                    }
                    said += effects.len();
                    effects.clear();
                }
            }
            folding += thread_nanoseconds()? - began;
        }
    }
    let grown = resident_bytes(own)?.saturating_sub(before);
    let began = thread_nanoseconds()?;
    let segments: Vec<Vec<u8>> = folds.iter_mut().map(Fold::snapshot).collect();
    let pack = thread_nanoseconds()? - began;
    drop(folds);
    let packed: usize = segments.iter().map(Vec::len).sum();
    let began = thread_nanoseconds()?;
    let mut loaded = Vec::with_capacity(partitions);
    for segment in segments {
        let mut fold = Scoring::new(partitions as u32);
        fold.load(&[segment])?;
        loaded.push(fold);
    }
    let load = thread_nanoseconds()? - began;
    let records: usize = log.partitions.iter().map(|records| records.ends.len()).sum();
    let (of_record, of_customer) = (records as f64, f64::from(plan.customers));
    let figures = [
        ("fold", folding as f64 / of_record),
        ("effects", said as f64 / plan.orders as f64),
        ("packed", packed as f64 / of_customer),
        ("pack", pack as f64 / 1e9),
        ("load", load as f64 / 1e9),
        ("records", of_record),
    ];
    Ok((round(figures), grown as f64 / of_customer))
}
