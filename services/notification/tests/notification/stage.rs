//! What outlives a process: the log and the ledger. And a process that runs notification on them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use tempfile::TempDir;
use tiermesh_event_log::{EventLog, Headers, NewRecord, memory::MemoryLog, topics};
use tiermesh_notification::{Args, Notification, Settings};
use tiermesh_processing::RunError;
use tiermesh_proto::v1::{Control, Delivery, LossSignal, SourceBack, SourceQuiet, TierChange, control};
use tiermesh_service_host::Health;
use tiermesh_store::{DeliveryFilter, LedgerEntry, SaveStore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::receiver::{Receiver, SECRET};

pub(crate) const PARTITIONS: u32 = 4;
pub(crate) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

pub(crate) struct Stage {
    pub(crate) log: MemoryLog,
    pub(crate) store: SaveStore,
    directory: TempDir,
    /// How many changes each partition said.
    said: Mutex<[u64; PARTITIONS as usize]>,
}

/// A process.
pub(crate) struct Life {
    pub(crate) health: Health,
    pub(crate) router: Router,
    stop: CancellationToken,
    task: JoinHandle<Result<(), RunError>>,
}

/// Quick, and patient enough not to hang on a busy machine.
pub(crate) fn quick() -> Settings {
    Settings {
        attempts: 4,
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(40),
        attempt_limit: Duration::from_secs(10),
        lease: Duration::from_millis(400),
        in_flight: 4,
        look_every: Duration::from_millis(50),
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let store = SaveStore::open(&format!("sqlite://{}", path.display())).await.unwrap();
        Self { log: MemoryLog::with_topics(&topics::all(PARTITIONS)), store, directory, said: Mutex::default() }
    }

    /// Starts a process with these routes.
    pub(crate) async fn start(&self, routes: &str) -> Life {
        self.start_with(routes, quick()).await
    }

    pub(crate) async fn start_with(&self, routes: &str, settings: Settings) -> Life {
        let file = self.directory.path().join("routes.toml");
        std::fs::write(&file, routes).unwrap();
        let routes = Args { routes: Some(file) }.routes().unwrap();
        let (health, log) = (Health::default(), Arc::new(self.log.clone()));
        let notification = Notification::open(log, self.store.clone(), routes, settings, &health).await.unwrap();
        let (router, stop) = (notification.router(), CancellationToken::new());
        Life { health, router, stop: stop.clone(), task: tokio::spawn(notification.run(stop)) }
    }

    pub(crate) async fn now(&self) -> i64 {
        self.store.clock_ms().await.unwrap()
    }

    /// A change of a customer's tier, as scoring numbers it, happened just now.
    pub(crate) async fn change(&self, number: u64, direction: &str) -> TierChange {
        let (from, to) = match direction {
            "first" => (None, "B"),
            "up" => (Some("B"), "A"),
            _ => (Some("A"), "B"),
        };
        TierChange {
            customer: format!("customer-{number}"),
            programme: "value".to_owned(),
            policy: "abc".to_owned(),
            version: 1,
            from: from.map(str::to_owned),
            to: to.to_owned(),
            direction: direction.to_owned(),
            at_ms: self.now().await,
            cause: "event".to_owned(),
            ..TierChange::default()
        }
    }

    /// Appends a change, as scoring's partition says it.
    pub(crate) async fn say(&self, partition: u32, change: &TierChange) {
        let number = {
            let mut said = self.said.lock().unwrap();
            said[partition as usize] += 1;
            said[partition as usize]
        };
        let headers = headers("tiermesh/scoring", partition, number);
        self.append(topics::TIER_CHANGES.name, partition, topics::TIER_CHANGES.record("", change, headers)).await;
    }

    pub(crate) async fn signal(&self, number: u64, state: &str) {
        let signal = LossSignal {
            customer: "17850".to_owned(),
            detector: "silence".to_owned(),
            state: state.to_owned(),
            at_ms: self.now().await,
            observed: 80,
            expected: 45.0,
            ..LossSignal::default()
        };
        let headers = headers("tiermesh/churn-warning", 1, number);
        self.append(topics::CHURN_SIGNALS.name, 1, topics::CHURN_SIGNALS.record("", &signal, headers)).await;
    }

    pub(crate) async fn quiet(&self, number: u64) {
        let as_of_ms = self.now().await;
        let source = "erp".to_owned();
        let quiet = SourceQuiet { source, as_of_ms, last_seen_ms: as_of_ms - 7_200_000, longest_pause_ms: 600_000 };
        self.control(number, control::Control::SourceQuiet(quiet)).await;
    }

    pub(crate) async fn back(&self, number: u64) {
        let as_of_ms = self.now().await;
        let back =
            SourceBack { source: "erp".to_owned(), as_of_ms, quiet_since_ms: as_of_ms - 7_200_000, given_up: false };
        self.control(number, control::Control::SourceBack(back)).await;
    }

    async fn control(&self, number: u64, control: control::Control) {
        let control = Control { control: Some(control), origin: None };
        let record = topics::CONTROL.record("", &control, headers("tiermesh/cut-points", 0, number));
        self.append(topics::CONTROL.name, 0, record).await;
    }

    async fn append(&self, topic: &str, partition: u32, record: NewRecord) {
        let producer = self.log.producer("a test").await.unwrap();
        producer.send(topic, partition, vec![record]).await.unwrap().await.unwrap();
    }

    /// The ledger, oldest first.
    pub(crate) async fn ledger(&self) -> Vec<LedgerEntry> {
        let mut all = self.store.deliveries(&DeliveryFilter::default(), 10_000).await.unwrap();
        all.reverse();
        all
    }

    /// What the topic was told, partition by partition.
    pub(crate) fn told(&self) -> Vec<Delivery> {
        let topic = topics::NOTIFICATION_DELIVERIES;
        let records = (0..PARTITIONS).flat_map(|partition| self.log.records(topic.name, partition).unwrap());
        records.map(|record| topic.decode(&record).unwrap()).collect()
    }

    /// Waits until so many deliveries are in this state.
    pub(crate) async fn until_ledger(&self, state: &str, count: usize) {
        until(&format!("{count} deliveries are {state}"), async || {
            self.ledger().await.iter().filter(|entry| entry.state == state).count() >= count
        })
        .await;
    }

    /// Waits until notification stands at the end of all its topics.
    pub(crate) async fn until_taken(&self) {
        until("all records are taken", async || {
            for (topic, partitions) in [("tier.changes", PARTITIONS), ("churn.signals", PARTITIONS), ("control", 1)] {
                for partition in 0..partitions {
                    let end = self.log.extent(topic, partition).await.unwrap().end;
                    let place = self.store.place("notification", topic, partition).await.unwrap();
                    if end > 1 && place.is_none_or(|place| place.next_offset < end) {
                        return false;
                    }
                }
            }
            true
        })
        .await;
    }
}

impl Life {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Cuts everything off where it stands.
    pub(crate) async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

fn headers(source: &str, partition: u32, number: u64) -> Headers {
    let id = format!("{partition}-{}-{number}", number + 100);
    [("ce_source", source), ("ce_id", &id), ("traceparent", TRACEPARENT)].into_iter().collect()
}

/// A route of all tier changes but first ones, to this receiver.
pub(crate) fn changes_to(receiver: &Receiver) -> String {
    route("changes", "what = \"tier-changes\"", receiver)
}

/// A route to this receiver.
pub(crate) fn route(name: &str, wants: &str, receiver: &Receiver) -> String {
    let url = &receiver.url;
    format!("[[routes]]\nname = \"{name}\"\n{wants}\nwebhook = {{ url = \"{url}\", secret = \"{SECRET}\" }}\n")
}

pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}
