//! `throughput`: a topic of orders is drained, by scoring as users run it, by the floor, and by peers, in turn.
//!
//! Each contender is a process of its own and begins anew each round: scoring with an empty database and empty output
//! topics, a peer under a new name. The clock and the CPU count from when it says that it is ready until the last change
//! is on its topic (scoring), the last offset committed (peers), the last record read (floor).

use std::{
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tiermesh_event_log::topics::{CUSTOMER_EVENTS, TIER_CHANGES};
use tiermesh_testkit::PostgresServer;

use crate::{
    Failure, binary,
    cluster::Cluster,
    orders::{Plan, Skew},
    peers::{KafkaStreams, StreamsStore},
    preload::{Preloaded, preload},
    processes::{cpu_seconds, cpu_seconds_of, resident_bytes},
    results::{Results, Round, Table, round},
    run::Run,
    service::{LOOK_EVERY, Process, Service, Told},
};

/// What to drain.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Orders.
    #[arg(long, default_value_t = 5_000_000)]
    orders: u64,
    /// Customers.
    #[arg(long, default_value_t = 200_000)]
    customers: u32,
    /// Only this one.
    #[arg(long)]
    skew: Option<Skew>,
    /// Days that the orders are spread over: a tick and cut-points behind each.
    #[arg(long, default_value_t = 500)]
    days: u32,
    /// Measure the floor and scoring only.
    #[arg(long)]
    without_peers: bool,
}

const PARTITIONS: u32 = 8;
/// Nothing here takes longer: it hangs.
const DRAINED_WITHIN: Duration = Duration::from_secs(900);

const FLOOR: &str = "floor: a bare consumer";
const DECODING: &str = "floor, decoding";
const SCORING: &str = "tiermesh serve scoring";

pub(crate) const COLUMNS: [(&str, &str, usize); 8] = [
    ("rate", "records/s", 0),
    ("ratio", "of the floor", 2),
    ("cpu", "µs CPU/record", 2),
    ("broker", "broker, µs CPU/record", 2),
    ("database", "database, µs CPU/record", 2),
    ("seconds", "s", 1),
    ("start", "start to ready, s", 1),
    ("memory", "memory, MiB", 0),
];

/// Measures it.
///
/// # Errors
/// If a contender fails, or scoring doesn't say what the in-process fold says.
pub fn run(run: &Run, args: &Args) -> Result<Results, Failure> {
    let scoring = binary::tiermesh(run)?;
    let peers = if args.without_peers { None } else { Some(KafkaStreams::build()?) };
    let mut results = run.results("throughput");
    let plan = |skew| Plan {
        orders: run.sized(args.orders, 20_000),
        customers: run.sized(u64::from(args.customers), 2_000) as u32,
        skew,
        days: args.days,
    };
    for skew in args.skew.map_or(vec![Skew::Uniform, Skew::Zipf], |skew| vec![skew]) {
        let bench = Bench::prepare(plan(skew))?;
        let mut table = Table::new(format!("Draining {} orders, {}", plan(skew).orders, skew.name()), COLUMNS);
        for number in 0..run.rounds() {
            eprintln!("{}: round {} of {}", skew.name(), number + 1, run.rounds());
            table.add(FLOOR, bench.floor(false)?, None)?;
            table.add(DECODING, bench.floor(true)?, None)?;
            let (figures, sha256) = bench.scoring(&scoring)?;
            table.add(SCORING, figures, Some(sha256))?;
            if let Some(peers) = &peers {
                table.add("Kafka Streams, in memory", bench.streams(peers, number, StreamsStore::Memory)?, None)?;
                table.add("Kafka Streams, RocksDB", bench.streams(peers, number, StreamsStore::RocksDb)?, None)?;
            }
        }
        table.add_ratio("ratio", "rate", FLOOR);
        let changes: u64 = bench.loaded.changes.iter().sum();
        let share = changes as f64 / plan(skew).orders as f64;
        results.notes.push(format!(
            "{}: {} records, {changes} tier changes ({share:.3} an order), equal in all rounds to those of the fold in this \
             process: sha256 {}",
            skew.name(),
            bench.loaded.records,
            bench.loaded.sha256
        ));
        results.tables.push(table);
    }
    let plan = plan(Skew::Uniform);
    results.settings.extend(
        [
            ("orders", plan.orders.to_string()),
            ("customers", plan.customers.to_string()),
            ("days", plan.days.to_string()),
            ("partitions", PARTITIONS.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    Ok(results)
}

/// A broker with the topic, and a database server.
struct Bench {
    cluster: Cluster,
    databases: PostgresServer,
    loaded: Preloaded,
    directory: TempDir,
}

impl Bench {
    fn prepare(plan: Plan) -> Result<Self, Failure> {
        let (cluster, databases) = (Cluster::start(PARTITIONS)?, PostgresServer::start());
        eprintln!("writing {} orders of {} customers, {}", plan.orders, plan.customers, plan.skew.name());
        let loaded = preload(&cluster, plan)?;
        Ok(Self { cluster, databases, loaded, directory: tempfile::tempdir()? })
    }

    fn floor(&self, decode: bool) -> Result<Round, Failure> {
        let ends: Vec<String> = self.loaded.ends.iter().map(ToString::to_string).collect();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["drain", "--kafka", self.cluster.brokers(), "--ends", &ends.join(",")]);
        command.args(decode.then_some("--decode"));
        let launched = Instant::now();
        let mut floor = Told::start("floor", command, self.directory.path())?;
        let clock = Clock::start(&floor.process, launched);
        floor.wait_for("done")?;
        clock.stop(&floor.process, self.loaded.records)
    }

    fn scoring(&self, binary: &std::path::Path) -> Result<(Round, String), Failure> {
        self.cluster.forget_outputs()?;
        let store = self.databases.database();
        let arguments = ["serve", "scoring", "--kafka", self.cluster.brokers(), "--store", &store];
        let launched = Instant::now();
        let mut service = Service::start(binary, "scoring", self.directory.path(), &arguments)?;
        let clock = Clock::start(&service.process, launched);
        // Offset 0 holds the birth record.
        let ends: Vec<u64> = self.loaded.changes.iter().map(|changes| changes + 1).collect();
        wait(&mut service.process, || Ok(self.cluster.ends(TIER_CHANGES.name)? == ends))?;
        let figures = clock.stop(&service.process, self.loaded.records)?;
        let sha256 = self.cluster.outputs()?.sha256();
        service.process.stop()?;
        if sha256 != self.loaded.sha256 {
            return Err(format!("scoring said {sha256}, the fold in this process {}", self.loaded.sha256).into());
        }
        Ok((figures, sha256))
    }

    fn streams(&self, peers: &KafkaStreams, number: u32, store: StreamsStore) -> Result<Round, Failure> {
        let (state, name) = (tempfile::tempdir()?, format!("peer-{store:?}-{number}"));
        let output = format!("{name}.changes");
        self.cluster.create_topic(&output)?;
        let place = state.path().display().to_string();
        let launched = Instant::now();
        let command = peers.command(self.cluster.brokers(), &name, &output, &place, store);
        let mut peer = Told::start("kafka-streams", command, self.directory.path())?;
        let clock = Clock::start(&peer.process, launched);
        let ends = self.cluster.ends(CUSTOMER_EVENTS.name)?;
        wait(&mut peer.process, || Ok(self.cluster.committed(&name, CUSTOMER_EVENTS.name)? == ends))?;
        let figures = clock.stop(&peer.process, self.loaded.records)?;
        peer.process.stop()?;
        Ok(figures)
    }
}

/// Waits until it is so.
fn wait(process: &mut Process, mut is_so: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let began = Instant::now();
    while !is_so()? {
        process.check()?;
        if began.elapsed() > DRAINED_WITHIN {
            return Err(format!("no end after {DRAINED_WITHIN:?}; the log ends:\n{}", process.told()).into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// What a contender uses from when it is ready.
pub(crate) struct Clock {
    start: Duration,
    began: Instant,
    used: [f64; 3],
}

impl Clock {
    /// Starts it, for a process that was launched then.
    pub(crate) fn start(process: &Process, launched: Instant) -> Self {
        Self { start: launched.elapsed(), began: Instant::now(), used: used(process) }
    }

    /// Stops it, when so many records have gone through.
    pub(crate) fn stop(self, process: &Process, records: u64) -> Result<Round, Failure> {
        let seconds = self.began.elapsed().as_secs_f64();
        let records = records as f64;
        let of_record = |at: usize, now: [f64; 3]| (now[at] - self.used[at]) / records * 1e6;
        let now = used(process);
        Ok(round([
            ("rate", records / seconds),
            ("cpu", of_record(0, now)),
            ("broker", of_record(1, now)),
            ("database", of_record(2, now)),
            ("seconds", seconds),
            ("start", self.start.as_secs_f64()),
            ("memory", resident_bytes(process.id())? as f64 / 1024.0 / 1024.0),
        ]))
    }
}

/// CPU seconds so far: the contender's, the broker's, the database's.
fn used(process: &Process) -> [f64; 3] {
    [cpu_seconds(process.id()), cpu_seconds_of("kafka.Kafka"), cpu_seconds_of("postgres")]
}
