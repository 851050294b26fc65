//! A mesh that runs: the whole of it in one process, or a process for each service on Kafka and PostgreSQL.

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;
use tiermesh_event_log::{
    EventLog, Record,
    embedded::EmbeddedLog,
    kafka::{KafkaLog, KafkaSettings},
    topics::{CONTROL, CUSTOMER_EVENTS},
};
use tiermesh_store::SaveStore;
use tiermesh_testkit::{KafkaServer, postgres, wait_for};
use tokio::runtime::Runtime;

use crate::mesh_process::{PATIENCE, Process, run};

/// How many partitions every mesh here has.
pub(crate) const PARTITIONS: u32 = 8;

/// A broker takes a JVM, and two cores are no more: one test on Kafka at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A mesh that runs. Dropped, all of it is gone.
pub(crate) struct Mesh {
    // In this order: processes end before what they run on.
    processes: BTreeMap<&'static str, Process>,
    /// How tools find the log: `--data DIR` or `--kafka BROKERS`.
    source: [String; 2],
    store: String,
    place: Place,
    /// Log and store as a reader beside the mesh has them open, once it asked.
    log: OnceCell<Arc<dyn EventLog>>,
    saves: OnceCell<SaveStore>,
    runtime: Runtime,
    dir: TempDir,
}

enum Place {
    Embedded { log: PathBuf },
    Kafka { server: KafkaServer, _turn: MutexGuard<'static, ()> },
}

impl Mesh {
    /// The whole mesh in one process named `up`, on a new data directory. It isn't started yet.
    pub(crate) fn embedded() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        Self::embedded_at(dir, &data)
    }

    /// The same with its data there.
    pub(crate) fn embedded_at(dir: TempDir, data: &Path) -> Self {
        let arguments = ["up", "--data", &data.display().to_string(), "--partitions", &PARTITIONS.to_string()];
        let process = Process::stopped("up", dir.path(), &arguments);
        let source = ["--data".to_owned(), data.display().to_string()];
        let store = format!("sqlite://{}", data.join("state.db").display());
        let place = Place::Embedded { log: data.join("log") };
        let mut mesh = Self::new(source, store, place, dir);
        mesh.processes.insert("up", process);
        mesh
    }

    /// A mesh on a broker and a database of its own: topics, but no service yet.
    pub(crate) fn on_kafka() -> Self {
        let mesh = Self::on_empty_kafka();
        mesh.create_topics();
        mesh
    }

    /// Creates the topics of a mesh on Kafka.
    pub(crate) fn create_topics(&self) {
        let partitions = PARTITIONS.to_string();
        let settings = ["--create", "--partitions", &partitions, "--replication", "1", "--min-in-sync", "1"];
        run(&[&["topics", &self.source[0], &self.source[1]][..], &settings].concat());
    }

    /// A broker and a database of its own, and nothing on them yet.
    pub(crate) fn on_empty_kafka() -> Self {
        Self::on_servers(|| (KafkaServer::start(), postgres(), ())).0
    }

    /// The same on servers that are started here: the broker, the database's URL, and what else belongs to them.
    pub(crate) fn on_servers<T>(start: impl FnOnce() -> (KafkaServer, String, T)) -> (Self, T) {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (server, store, more) = start();
        let source = ["--kafka".to_owned(), server.bootstrap().to_owned()];
        let place = Place::Kafka { server, _turn: turn };
        (Self::new(source, store, place, tempfile::tempdir().unwrap()), more)
    }

    /// The broker of a mesh on Kafka.
    pub(crate) fn broker(&self) -> &KafkaServer {
        match &self.place {
            Place::Kafka { server, .. } => server,
            Place::Embedded { .. } => panic!("an embedded mesh has no broker"),
        }
    }

    fn new(source: [String; 2], store: String, place: Place, dir: TempDir) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (log, saves) = (OnceCell::new(), OnceCell::new());
        Self { processes: BTreeMap::new(), source, store, place, log, saves, runtime, dir }
    }

    /// Starts `tiermesh serve SERVICE` under a name of its own, and waits until it is ready.
    pub(crate) fn serve(&mut self, name: &'static str, service: &str) {
        self.add_service(name, service, |process| process);
        self.process(name).launch();
        self.process(name).wait_until_ready();
    }

    /// Takes `tiermesh serve SERVICE` in under a name of its own, or what is made of it. It doesn't run yet.
    pub(crate) fn add_service(&mut self, name: &'static str, service: &str, made: impl FnOnce(Process) -> Process) {
        let [flag, brokers] = &self.source;
        // A member that was killed is to be given up soon; the default is for networks, not for tests.
        let sessions = "session.timeout.ms=3000,heartbeat.interval.ms=500";
        let arguments = ["serve", service, flag, brokers, "--store", &self.store, "--kafka-property", sessions];
        let process = made(Process::stopped(name, self.dir.path(), &arguments));
        assert!(self.processes.insert(name, process).is_none(), "{name} runs already");
    }

    /// Takes a process in that somebody else made.
    pub(crate) fn add(&mut self, name: &'static str, process: Process) {
        assert!(self.processes.insert(name, process).is_none(), "{name} runs already");
    }

    /// Kafka's bootstrap servers.
    pub(crate) fn brokers(&self) -> &str {
        &self.source[1]
    }

    /// The database of the services.
    pub(crate) fn store(&self) -> &str {
        &self.store
    }

    /// A directory of the test's own.
    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// One of its processes.
    pub(crate) fn process(&mut self, name: &str) -> &mut Process {
        self.processes.get_mut(name).unwrap()
    }

    /// Where ingest listens.
    pub(crate) fn url(&self) -> String {
        let process = self.processes.get("up").or_else(|| self.processes.get("ingest"));
        process.unwrap().url()
    }

    /// A file in a directory of the test's own.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Runs `tiermesh send` to its end; its summary.
    pub(crate) fn send(&self, arguments: &[&str]) -> serde_json::Value {
        let url = self.url();
        let text = run(&[&["send", "--json", "--to", &url], arguments].concat());
        serde_json::from_str(&text).unwrap()
    }

    /// Runs `tiermesh export`.
    pub(crate) fn export(&self, what: &str) -> String {
        run(&["export", what, &self.source[0], &self.source[1]])
    }

    /// Runs `tiermesh verify`, which must find no difference; how many tiers it compared.
    pub(crate) fn verify(&self) -> u64 {
        let text = run(&["verify", "--json", "--settle", "60", &self.source[0], &self.source[1]]);
        let verdict: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(verdict["differences"], serde_json::json!([]));
        verdict["compared"].as_u64().unwrap()
    }

    pub(crate) fn log(&self) -> &dyn EventLog {
        let log = self.log.get_or_init(|| match &self.place {
            Place::Embedded { log } => Arc::new(self.wait(EmbeddedLog::open_read_only(log)).unwrap()),
            Place::Kafka { server, .. } => Arc::new(KafkaLog::new(KafkaSettings::new(server.bootstrap())).unwrap()),
        });
        &**log
    }

    /// What each partition of a topic holds now.
    pub(crate) fn records(&self, topic: &str) -> Vec<Vec<Record>> {
        let log = self.log();
        self.wait(async {
            let mut all = Vec::new();
            for partition in 0..log.partitions(topic).await.unwrap() {
                let end = log.extent(topic, partition).await.unwrap().end;
                let mut records: Vec<Record> = Vec::new();
                if end > 1 {
                    let mut reader = log.read(topic, partition, 0).await.unwrap();
                    while records.last().is_none_or(|last| last.offset + 1 < end) {
                        records.extend(reader.next(10_000).await.unwrap());
                    }
                }
                records.retain(|record| record.offset < end);
                all.push(records);
            }
            all
        })
    }

    /// How many records `control` holds, which may be none because there is no log yet.
    pub(crate) fn controls(&self) -> u64 {
        let Place::Embedded { log } = &self.place else { return self.ends(CONTROL.name)[0] - 1 };
        let controls = self.wait(async { EmbeddedLog::open_read_only(log).await?.extent(CONTROL.name, 0).await });
        controls.map_or(0, |extent| extent.end.saturating_sub(1))
    }

    /// How many records `customer.events` holds now, those of birth among them.
    pub(crate) fn events(&self) -> u64 {
        self.ends(CUSTOMER_EVENTS.name).iter().sum()
    }

    pub(crate) fn ends(&self, topic: &str) -> Vec<u64> {
        let log = self.log();
        self.wait(async {
            let mut ends = Vec::new();
            for partition in 0..log.partitions(topic).await.unwrap() {
                ends.push(log.extent(topic, partition).await.unwrap().end);
            }
            ends
        })
    }

    /// Where the saves of a service stand, by partition.
    pub(crate) fn positions(&self, service: &str) -> BTreeMap<u32, u64> {
        let saves = self.saves.get_or_init(|| self.wait(SaveStore::open(&self.store)).unwrap());
        let positions = self.wait(saves.positions()).unwrap();
        let of_service = positions.into_iter().filter(|standing| standing.processor == service);
        of_service.map(|standing| (standing.partition, standing.position.next_offset)).collect()
    }

    /// Waits until scoring and churn-warning have saved what follows from all that `customer.events` holds now: then
    /// all they have to say of it stands in the log.
    pub(crate) fn wait_until_folded(&self) {
        let ends = self.ends(CUSTOMER_EVENTS.name);
        for service in ["scoring", "churn-warning"] {
            wait_for(&format!("{service} to be through with all events"), PATIENCE, || {
                let positions = self.positions(service);
                (0..).zip(&ends).all(|(partition, end)| *end <= 1 || positions.get(&partition) >= Some(end))
            });
        }
    }

    /// Waits for what is asked of the log or the store.
    pub(crate) fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }
}
