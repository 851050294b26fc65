//! What things cost, measured: by the engines of both folds over one history, and by `fold` in processes of its own,
//! whose memory nothing else has touched.

use std::{fs, process::Command};

use tiermesh_domain::{
    fold::{AHEAD, Fold},
    scoring::Scoring,
    signals::ChurnWarning,
};
use tiermesh_event_log::{NewRecord, Record, topics::TIER_CHANGES};
use tiermesh_ingest::{control_copy, fact_record, tick_record};
use tiermesh_processing::{Engine, Outgoing};
use tiermesh_proto::v1::{Control, CustomerEvent, DetectorsActivated, Summary, control, customer_event::Event};

use crate::{
    Failure, Run,
    history::{self, Partitions},
    orders::{Plan, Skew},
    processes::thread_nanoseconds,
    results::{Results, Table, round},
};

/// A cost of a customer, and of each of its facts.
#[derive(Debug, Clone, Copy)]
pub struct PerFact {
    pub customer: f64,
    pub fact: f64,
}

impl PerFact {
    /// Of a customer with so many facts.
    pub fn of(self, facts: f64) -> f64 {
        self.customer + self.fact * facts
    }

    /// The line through two points: facts each, cost each.
    fn through([few, much]: [(f64, f64); 2]) -> Self {
        let fact = ((much.1 - few.1) / (much.0 - few.0)).max(0.0);
        Self { customer: (few.1 - fact * few.0).max(0.0), fact }
    }
}

/// What is known of costs.
#[derive(Debug, Clone, Copy)]
pub struct Costs {
    /// CPU of a record, in µs.
    pub scoring_us: f64,
    pub churn_warning_us: f64,
    /// Bytes in memory of scoring; churn-warning folds scoring along.
    pub memory: PerFact,
    /// Bytes of a packed segment before it is compressed.
    pub packed: PerFact,
    /// CPU of loading, in µs.
    pub load_us: PerFact,
    /// Key, value and headers, before the producer compresses them.
    pub fact_bytes: f64,
    pub tick_bytes: f64,
    pub control_bytes: f64,
    pub around_summary_bytes: f64,
    pub change_bytes: f64,
    pub changes_per_fact: f64,
    pub signal_bytes: f64,
    pub signals_per_fact: f64,
    /// CPU of a whole day's tick and cut-points, for each customer of the partition.
    pub boundary_us_per_customer: f64,
    /// `scoring_us` is all that `serve scoring` uses, not the engine alone.
    pub from_throughput: bool,
}

/// Facts each, of the two histories that are folded.
const FACTS_EACH: [u64; 2] = [5, 25];
const DAYS: u32 = 400;

/// Measures them over histories of so many customers.
pub fn measure(run: &Run, customers: u32, scoring_us: Option<f64>) -> Result<Costs, Failure> {
    let [few, much] = [fold(run, customers, FACTS_EACH[0])?, fold(run, customers, FACTS_EACH[1])?];
    let line = |key: &str, scale: f64| -> Result<PerFact, Failure> {
        let cost = |results: &Results| Ok::<_, Failure>(figure(results, "uniform", key)? * scale);
        Ok(PerFact::through([(FACTS_EACH[0] as f64, cost(&few)?), (FACTS_EACH[1] as f64, cost(&much)?)]))
    };
    let plan = Plan { orders: u64::from(customers) * FACTS_EACH[1], customers, skew: Skew::Uniform, days: DAYS };
    let engines = Engines::over(plan)?;
    let throughput = fs::read_to_string(run.out.join("throughput.json")).ok();
    let throughput = throughput.and_then(|text| serde_json::from_str::<Results>(&text).ok());
    let all_in = scoring_us.or_else(|| figure(&throughput?, "tiermesh serve scoring", "cpu").ok());
    let engine_us = engines.scoring.microseconds();
    let beside = all_in.map_or(0.0, |all_in| (all_in - engine_us).max(0.0));
    let facts = engines.facts.count as f64;
    Ok(Costs {
        scoring_us: all_in.unwrap_or(engine_us),
        churn_warning_us: engines.churn_warning.microseconds() + beside,
        memory: line("bytes", 1.0)?,
        packed: line("packed", 1.0)?,
        load_us: line("load", 1e6 / f64::from(customers))?,
        fact_bytes: engines.facts.mean(),
        tick_bytes: engines.ticks.mean(),
        control_bytes: engines.cut_points.mean(),
        around_summary_bytes: engines.around_summaries as f64 / engines.summaries.count.max(1) as f64,
        change_bytes: engines.changes.mean(),
        changes_per_fact: engines.changes.count as f64 / facts,
        signal_bytes: engines.signals.mean(),
        signals_per_fact: engines.signals.count as f64 / facts,
        boundary_us_per_customer: engines.boundaries.nanoseconds as f64
            / 1e3
            / (engines.ticks.count as f64 * f64::from(customers)),
        from_throughput: all_in.is_some(),
    })
}

impl Costs {
    /// As a table.
    pub fn table(&self) -> Result<Table, Failure> {
        let mut table = Table::new("Costs (measured)", [("each", "each", 2), ("fact", "and for each fact", 2)]);
        for (name, cost) in [
            ("memory of a customer, bytes", self.memory),
            ("packed, bytes", self.packed),
            ("CPU to load, µs", self.load_us),
        ] {
            table.add(name, round([("each", cost.customer), ("fact", cost.fact)]), None)?;
        }
        for (name, cost) in [
            ("CPU of a record, scoring, µs", self.scoring_us),
            ("CPU of a record, churn-warning, µs", self.churn_warning_us),
            ("CPU of a day's boundary for each customer, µs", self.boundary_us_per_customer),
            ("bytes of a fact", self.fact_bytes),
            ("bytes of a tick", self.tick_bytes),
            ("bytes of copied cut-points", self.control_bytes),
            ("bytes around a summary", self.around_summary_bytes),
            ("bytes of a tier change", self.change_bytes),
            ("tier changes for each fact", self.changes_per_fact),
            ("bytes of a loss signal", self.signal_bytes),
            ("loss signals for each fact", self.signals_per_fact),
        ] {
            table.add(name, round([("each", cost)]), None)?;
        }
        Ok(table)
    }

    /// What has to be known to read them.
    pub fn notes(&self) -> Vec<String> {
        let records = match self.from_throughput {
            true => {
                "CPU of a record is all that `serve scoring` uses, as `throughput` found; churn-warning's engine replaces scoring's in it."
            }
            false => "CPU of a record is that of the engine alone: run `throughput` first for all of it.",
        };
        vec![records.to_owned(), "Bytes of records and saves are before compression.".to_owned()]
    }
}

/// What `fold` finds in a process of its own.
fn fold(run: &Run, customers: u32, facts_each: u64) -> Result<Results, Failure> {
    let out = tempfile::tempdir()?;
    let orders = u64::from(customers) * facts_each;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["fold", "--skew", "uniform", "--rounds", "1", "--out"]).arg(out.path());
    command.args(["--orders", &orders.to_string(), "--customers", &customers.to_string()]);
    command.args(["--days", &DAYS.to_string()]).args(run.quick.then_some("--quick"));
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("fold: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_str(&fs::read_to_string(out.path().join("fold.json"))?)?)
}

/// The first figure of that kind in the first row of that name.
fn figure(results: &Results, row: &str, key: &str) -> Result<f64, Failure> {
    let rows = results.tables.iter().flat_map(|table| &table.rows).filter(|found| found.name == row);
    let found = rows.flat_map(|row| &row.rounds).find_map(|round| round.get(key).copied());
    found.ok_or_else(|| format!("{}.json has no {key:?} of {row:?}", results.benchmark).into())
}

/// How many records, and their length.
#[derive(Debug, Clone, Copy, Default)]
struct Lengths {
    count: u64,
    bytes: u64,
}

impl Lengths {
    fn add(&mut self, record: &NewRecord) {
        self.count += 1;
        self.bytes += (record.value.len() + around(record)) as u64;
    }

    fn mean(self) -> f64 {
        if self.count == 0 { 0.0 } else { self.bytes as f64 / self.count as f64 }
    }
}

/// What stands around the value: key and headers, each with a length of its own.
fn around(record: &NewRecord) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    record.key.len() + headers
}

/// CPU of records.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    count: u64,
    nanoseconds: u64,
}

impl Spent {
    fn microseconds(self) -> f64 {
        self.nanoseconds as f64 / 1e3 / self.count.max(1) as f64
    }

    fn on<T>(&mut self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let began = thread_nanoseconds()?;
        let done = work()?;
        self.nanoseconds += thread_nanoseconds()? - began;
        self.count += 1;
        Ok(done)
    }
}

/// Both services' engines of one partition, and what goes through them.
struct Engines {
    engines: (Engine<Scoring>, Engine<ChurnWarning>),
    offset: u64,
    /// Facts that wait to be folded together: looking at the clock for each would cost as much.
    waiting: Vec<Record>,
    scoring: Spent,
    churn_warning: Spent,
    boundaries: Spent,
    facts: Lengths,
    ticks: Lengths,
    cut_points: Lengths,
    summaries: Lengths,
    around_summaries: usize,
    changes: Lengths,
    signals: Lengths,
}

/// Facts that are folded together.
const BATCH: usize = 2_000;

impl Engines {
    fn over(plan: Plan) -> Result<Self, Failure> {
        let mut engines = Self {
            engines: (
                Engine::new("scoring", 0, Scoring::new(1)),
                Engine::new("churn-warning", 0, ChurnWarning::new(1)),
            ),
            offset: 1,
            waiting: Vec::with_capacity(BATCH),
            scoring: Spent::default(),
            churn_warning: Spent::default(),
            boundaries: Spent::default(),
            facts: Lengths::default(),
            ticks: Lengths::default(),
            cut_points: Lengths::default(),
            summaries: Lengths::default(),
            around_summaries: 0,
            changes: Lengths::default(),
            signals: Lengths::default(),
        };
        // Before all others, whose numbers begin with 1.
        let text = include_str!("../../../policies/loss-signals.toml").to_owned();
        let detectors = Some(control::Control::DetectorsActivated(DetectorsActivated { text }));
        let detectors = read(0, control_copy(0, Control { control: detectors, origin: None }));
        engines.engines.1.apply(&detectors, &mut Vec::new())?;
        history::write(plan, 1, &mut engines)?;
        Ok(engines)
    }

    /// Folds what waits.
    fn flush(&mut self) -> Result<(), Failure> {
        let records = std::mem::take(&mut self.waiting);
        let (mut changes, mut signals) = (Vec::new(), Vec::new());
        self.scoring.on(|| all(&mut self.engines.0, &records, &mut changes))?;
        self.churn_warning.on(|| all(&mut self.engines.1, &records, &mut signals))?;
        // Counted by record, not by batch.
        self.scoring.count += records.len() as u64 - 1;
        self.churn_warning.count += records.len() as u64 - 1;
        changes.iter().for_each(|outgoing| self.changes.add(&outgoing.record));
        signals.iter().for_each(|outgoing| self.signals.add(&outgoing.record));
        Ok(())
    }
}

impl Partitions for Engines {
    fn take(&mut self, _: u32, event: CustomerEvent, summaries: &mut Vec<Summary>) -> Result<(), Failure> {
        let event = event.event.ok_or("a history has no empty records")?;
        self.offset += 1;
        let record = match event {
            Event::Fact(fact) => {
                let record = fact_record(fact);
                self.facts.add(&record);
                self.waiting.push(read(self.offset, record));
                return if self.waiting.len() == BATCH { self.flush() } else { Ok(()) };
            }
            Event::Tick(tick) => {
                let record = tick_record(tick.time_ms);
                self.ticks.add(&record);
                record
            }
            Event::Control(copy) => {
                let control = copy.control.unwrap_or_default();
                let is_cut_points = matches!(control.control, Some(control::Control::CutPoints(_)));
                let record = control_copy(copy.number, control);
                if is_cut_points {
                    self.cut_points.add(&record);
                }
                record
            }
        };
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        let record = [read(self.offset, record)];
        let (mut said, mut signals) = (Vec::new(), Vec::new());
        self.boundaries.on(|| all(&mut self.engines.0, &record, &mut said))?;
        all(&mut self.engines.1, &record, &mut signals)?;
        signals.iter().for_each(|outgoing| self.signals.add(&outgoing.record));
        for outgoing in said {
            if outgoing.topic == TIER_CHANGES.name {
                self.changes.add(&outgoing.record);
            } else {
                self.summaries.add(&outgoing.record);
                self.around_summaries += around(&outgoing.record);
                summaries.push(prost::Message::decode(outgoing.record.value)?);
            }
        }
        Ok(())
    }
}

fn all<F: Fold>(engine: &mut Engine<F>, records: &[Record], said: &mut Vec<Outgoing>) -> Result<(), Failure> {
    for records in records.chunks(AHEAD) {
        engine.look_ahead(records);
        records.iter().try_for_each(|record| engine.apply(record, said))?;
    }
    Ok(())
}

fn read(offset: u64, record: NewRecord) -> Record {
    let NewRecord { key, value, headers } = record;
    Record { offset, key, value, headers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_its_points() {
        let line = PerFact::through([(5.0, 700.0), (25.0, 1_500.0)]);
        assert_eq!((line.customer, line.fact, line.of(10.0)), (500.0, 40.0, 900.0));
    }

    #[test]
    fn everything_that_is_counted_occurs() {
        let plan = Plan { orders: 20_000, customers: 500, skew: Skew::Uniform, days: 450 };
        let engines = Engines::over(plan).unwrap();
        let counts = [engines.facts, engines.ticks, engines.cut_points, engines.summaries, engines.changes];
        assert!(counts.iter().all(|lengths| lengths.count > 100 && lengths.mean() > 20.0), "{counts:?}");
        assert!(engines.signals.count > 0 && engines.scoring.count == 20_000, "{:?}", engines.scoring);
    }
}
