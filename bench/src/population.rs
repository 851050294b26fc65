//! Scoring over a population: a history drained, its cost once everybody is known, and what a crash costs.
//!
//! `growth` and `recovery` look at the same thing with other sizes.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tiermesh_event_log::topics::TIER_CHANGES;
use tiermesh_testkit::PostgresServer;

use crate::{
    Failure,
    cluster::Cluster,
    orders::Plan,
    preload::{Preloaded, preload},
    processes::{cpu_seconds, resident_bytes},
    results::{Round, round},
    service::{LOOK_EVERY, Process, Service},
};

/// As in `throughput`.
pub const PARTITIONS: u32 = 8;
/// Nothing here takes longer: it hangs.
const DRAINED_WITHIN: Duration = Duration::from_secs(900);
/// Under this name scoring gets its partitions back at once after a crash.
const INSTANCE: &str = "bench";

/// A broker with a history, a database, and the scoring that folds it.
pub struct Population {
    /// The broker.
    pub cluster: Cluster,
    /// What it was given.
    pub plan: Plan,
    /// What was written.
    pub loaded: Preloaded,
    /// Memory of a scoring that knows nobody.
    empty: u64,
    binary: PathBuf,
    store: String,
    directory: TempDir,
    /// Behind `store`: gone when it is dropped.
    _databases: PostgresServer,
}

impl Population {
    /// Writes the history.
    ///
    /// # Errors
    /// If broker, database or scoring don't do as they are told.
    pub fn prepare(binary: &std::path::Path, plan: Plan) -> Result<Self, Failure> {
        let (cluster, databases, directory) =
            (Cluster::start(PARTITIONS)?, PostgresServer::start(), tempfile::tempdir()?);
        let arguments = ["serve", "scoring", "--kafka", cluster.brokers(), "--store", &databases.database()];
        let nobody = Service::start(binary, "empty", directory.path(), &arguments)?;
        let empty = resident_bytes(nobody.process.id())?;
        nobody.process.stop()?;
        eprintln!("writing {} orders of {} customers", plan.orders, plan.customers);
        let loaded = preload(&cluster, plan)?;
        let (binary, store) = (binary.to_owned(), databases.database());
        Ok(Self { cluster, plan, loaded, empty, binary, store, directory, _databases: databases })
    }

    /// Starts scoring, without waiting until it is ready.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn launch(&self) -> Result<Service, Failure> {
        let arguments =
            ["serve", "scoring", "--kafka", self.cluster.brokers(), "--store", &self.store, "--instance", INSTANCE];
        Service::launch(&self.binary, "scoring", self.directory.path(), &arguments)
    }

    /// Has scoring drain the history; what it cost from the middle of the orders on, when everybody is known.
    ///
    /// # Errors
    /// If it doesn't come to the end, or ends somewhere else.
    pub fn drain(&self, service: &mut Service) -> Result<Round, Failure> {
        let halfway = self.reached(&mut service.process, &self.loaded.changes_halfway)?;
        // Some partitions are further by then: what is left is counted, not computed.
        let (began, used) = (Instant::now(), cpu_seconds(service.process.id()));
        let before = (folded(service), packing(service));
        let end = self.reached(&mut service.process, &self.loaded.changes)?;
        let (seconds, used) = (began.elapsed().as_secs_f64(), cpu_seconds(service.process.id()) - used);
        let (records, packing) = (folded(service) - before.0, packing(service) - before.1);
        let memory = resident_bytes(service.process.id())?;
        if self.cluster.outputs()?.sha256() != self.loaded.sha256 {
            return Err("scoring didn't say what the fold in this process says".into());
        }
        let customers = f64::from(self.plan.customers);
        let sum = |numbers: &[u64]| numbers.iter().sum::<u64>() as f64;
        Ok(round([
            ("rate", records / seconds),
            ("cpu", used / records * 1e6),
            ("changes", (sum(&end) - sum(&halfway)) / records),
            ("saves", packing / used),
            ("orders", self.plan.orders as f64 / customers),
            ("memory", memory as f64 / 1024.0 / 1024.0),
            ("bytes", memory.saturating_sub(self.empty) as f64 / customers),
        ]))
    }

    /// Waits until every partition of `tier.changes` holds so many changes, or more; how many they hold then.
    fn reached(&self, process: &mut Process, changes: &[u64]) -> Result<Vec<u64>, Failure> {
        let began = Instant::now();
        loop {
            // Offset 0 holds the birth record.
            let held: Vec<u64> =
                self.cluster.ends(TIER_CHANGES.name)?.iter().map(|end| end.saturating_sub(1)).collect();
            if held.iter().zip(changes).all(|(held, changes)| held >= changes) {
                return Ok(held);
            }
            process.check()?;
            if began.elapsed() > DRAINED_WITHIN {
                return Err(format!("no end after {DRAINED_WITHIN:?}; the log ends:\n{}", process.told()).into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Records folded so far.
fn folded(service: &Service) -> f64 {
    service.metric("tiermesh_processing_records_total", "service=\"scoring\"")
}

/// Seconds spent on packing and compressing saves so far.
fn packing(service: &Service) -> f64 {
    service.metric("tiermesh_processing_pack_seconds_sum", "service=\"scoring\"")
}
