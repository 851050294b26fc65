//! The stage: a log in memory, saves in a file, a clock that only the test moves, and what is asked of outputs.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tiermesh_domain::fold::Fold;
use tiermesh_event_log::{EventLog, NewRecord, Record, memory::MemoryLog, topics};
use tiermesh_processing::{Engine, Outgoing, Processor, RunError, ServiceContext, origin_of, run_service};
use tiermesh_service_host::Health;
use tiermesh_store::{SaveStore, Standing};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    counting::{COUNTS, Counting, Counts, INPUT, SERVICE, THIRDS},
    gate::GatedLog,
};

/// What outlives a crash: the log and the saves.
pub(crate) struct Stage {
    pub(crate) log: MemoryLog,
    saves: TempDir,
}

impl Stage {
    pub(crate) fn new(partitions: u32) -> Self {
        Self { log: MemoryLog::with_topics(&topics::all(partitions)), saves: TempDir::new().unwrap() }
    }

    /// A life: a process with a clock that stands still unless the scene moves it. Whatever runs when the scene ends
    /// is cut off where it stands, as by a crash.
    pub(crate) fn life<T>(&self, scene: impl AsyncFnOnce(&Life) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let outcome = runtime.block_on(async {
            // A paused clock leaps as soon as all tasks wait, also when they wait for the database's own threads; not
            // while a blocking task lives.
            tokio::task::spawn_blocking(move || ended.recv());
            let path = self.saves.path().join("saves.db");
            let store = SaveStore::open(&format!("sqlite://{}", path.display())).await.unwrap();
            let gate = Arc::new(GatedLog::open(self.log.clone()));
            scene(&Life { log: self.log.clone(), gate, store, health: Health::default() }).await
        });
        drop(end);
        outcome
    }

    /// Keeps whoever else wants to write saves waiting, until the result is dropped.
    pub(crate) async fn keep_database_busy(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.saves.path().join("saves.db"));
        let mut connection = options.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        connection
    }

    pub(crate) fn records(&self, topic: &str, partition: u32) -> Vec<Record> {
        self.log.records(topic, partition).unwrap()
    }

    /// What an undisturbed run says to a topic for all that stands in an input partition.
    pub(crate) fn expected(&self, topic: &str, partition: u32) -> Vec<NewRecord> {
        let (engine, said) = fold(&self.records(INPUT, partition), partition);
        drop(engine);
        said.into_iter().filter(|out| out.topic == topic).map(|out| out.record).collect()
    }

    /// Whether all that is expected of a partition has been said.
    pub(crate) fn is_complete(&self, partition: u32) -> bool {
        [COUNTS, THIRDS].iter().all(|topic| {
            let heard = self.heard(topic, partition);
            heard.len() >= self.expected(topic, partition).len()
        })
    }

    /// What a consumer with a mark takes: each sequence once, none left out.
    fn heard(&self, topic: &str, partition: u32) -> Vec<NewRecord> {
        let mut mark = 0;
        let mut heard = Vec::new();
        for record in self.records(topic, partition) {
            let origin = origin_of(&record).unwrap();
            assert_eq!((origin.service.as_str(), origin.partition), (SERVICE, partition));
            if origin.sequence > mark {
                assert_eq!(origin.sequence, mark + 1, "a gap in {topic}, partition {partition}");
                mark = origin.sequence;
                heard.push(NewRecord { key: record.key, value: record.value, headers: record.headers });
            }
        }
        heard
    }

    /// Consumers hear exactly what an undisturbed run says, in the same bytes.
    pub(crate) fn assert_heard_in_full(&self, partition: u32) {
        for topic in [COUNTS, THIRDS] {
            let (heard, expected) = (self.heard(topic, partition), self.expected(topic, partition));
            assert_eq!(heard.len(), expected.len(), "{topic}, partition {partition}");
            for (heard, expected) in heard.iter().zip(&expected) {
                assert_eq!(heard, expected, "{topic}, partition {partition}");
            }
        }
    }

    /// Nothing was said twice either.
    pub(crate) fn assert_tidy(&self, partition: u32) {
        self.assert_heard_in_full(partition);
        for topic in [COUNTS, THIRDS] {
            let (said, expected) = (self.records(topic, partition).len(), self.expected(topic, partition).len());
            assert_eq!(said, expected, "records in {topic}, partition {partition}");
        }
    }
}

/// The fold of these records, and what it says.
pub(crate) fn fold(records: &[Record], partition: u32) -> (Engine<Counts>, Vec<Outgoing>) {
    let mut engine = Engine::new(SERVICE, partition, Counts::default());
    let mut said = Vec::new();
    for record in records {
        engine.apply(record, &mut said).unwrap();
    }
    (engine, said)
}

/// A process while it lives.
pub(crate) struct Life {
    pub(crate) log: MemoryLog,
    pub(crate) gate: Arc<GatedLog>,
    pub(crate) store: SaveStore,
    pub(crate) health: Health,
}

/// A service that runs.
pub(crate) struct Service {
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Result<(), RunError>>,
}

impl Life {
    /// Runs the counting service.
    pub(crate) fn serve(&self) -> Service {
        self.serve_as(Counting)
    }

    pub(crate) fn serve_as<P: Processor>(&self, processor: P) -> Service
    where
        P::Fold: Fold,
    {
        let stop = CancellationToken::new();
        let log: Arc<dyn EventLog> = Arc::clone(&self.gate) as Arc<dyn EventLog>;
        let context =
            ServiceContext { log, store: self.store.clone(), stop: stop.clone(), health: self.health.clone() };
        Service { stop, task: tokio::spawn(run_service(processor, context)) }
    }

    /// Puts records into an input partition.
    pub(crate) async fn append(&self, partition: u32, records: Vec<NewRecord>) {
        self.append_to(INPUT, partition, records).await;
    }

    pub(crate) async fn append_to(&self, topic: &str, partition: u32, records: Vec<NewRecord>) {
        let producer = self.log.producer("a test").await.unwrap();
        // Not awaited: acknowledgements may be held back.
        drop(producer.send(topic, partition, records).await.unwrap());
    }

    /// Lets so much time pass, after the database has done what it was asked for before.
    pub(crate) async fn pass(&self, ms: u64) {
        self.store.ping().await.unwrap();
        self.pass_regardless(ms).await;
    }

    /// Lets so much time pass, whatever the database does.
    pub(crate) async fn pass_regardless(&self, ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets time pass until something is so.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        // A bound on steps, not on time: the clock is the test's own.
        for _ in 0..3_000 {
            if is_so().await {
                return;
            }
            self.pass(50).await;
        }
        panic!("waited in vain until {what}");
    }

    /// Where the counting service's saves stand, by partition.
    pub(crate) async fn saves(&self) -> BTreeMap<u32, Standing> {
        let all = self.store.positions().await.unwrap();
        all.into_iter().filter(|save| save.processor == SERVICE).map(|save| (save.partition, save)).collect()
    }

    /// The offset after the last record that a partition's save stands for; 0 without one.
    pub(crate) async fn saved_to(&self, partition: u32) -> u64 {
        self.saves().await.get(&partition).map_or(0, |save| save.position.next_offset)
    }

    pub(crate) async fn until_saved_to(&self, partition: u32, offset: u64) {
        let what = format!("partition {partition} is saved to {offset}");
        self.until(&what, async || self.saved_to(partition).await >= offset).await;
    }
}

impl Service {
    /// Waits until it has stopped by itself, and says why.
    pub(crate) async fn failure(self, life: &Life) -> RunError {
        life.until("the service gives up", async || self.task.is_finished()).await;
        self.task.await.unwrap().unwrap_err()
    }

    /// Stops it in good order.
    pub(crate) async fn stop(self, life: &Life) {
        self.stop.cancel();
        life.until("the service stops", async || self.task.is_finished()).await;
        self.task.await.unwrap().unwrap();
    }
}
