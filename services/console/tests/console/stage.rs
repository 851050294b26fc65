//! A small mesh by hand: a log with what ingest, scoring and churn-warning would have written, and a console over it.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tiermesh_console::Console;
use tiermesh_domain::{
    fact::parse_cloud_event,
    fold::{Effect, Fold},
    hash::partition_of,
    scoring::Scoring,
    signals::ChurnWarning,
};
use tiermesh_event_log::{
    EventLog, Headers, NewRecord,
    memory::MemoryLog,
    topics::{self, CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS, NOTIFICATION_DELIVERIES, TIER_CHANGES},
};
use tiermesh_proto::v1::{
    Control, ControlCopy, CustomerEvent, CutPoint, CutPoints, DeadLetter, Delivery, DetectorsActivated, Live,
    LogicActivated, Origin, PolicyActivated, SourceQuiet, Tick, control, customer_event::Event,
};
use tiermesh_service_host::{Health, Shutdown, serve};
use tiermesh_store::{SaveStore, read_model::ReadModel};

pub const PARTITIONS: u32 = 2;
pub const DAY_MS: i64 = 86_400_000;
/// 2026-01-01.
pub const BEGIN_MS: i64 = 1_767_225_600_000;
const SCORECARD: &str = include_str!("../../../../policies/scorecard.toml");
const PYRAMID: &str = include_str!("../../../../policies/pyramid.toml");
const LIFECYCLE: &str = include_str!("../../../../policies/lifecycle.toml");
const DETECTORS: &str = include_str!("../../../../policies/loss-signals.toml");

/// An id that would be markup if anything took it for that.
pub const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// The log, and the folds that speak on it.
pub struct World {
    pub log: MemoryLog,
    /// All events of each partition.
    pub events: Vec<Vec<CustomerEvent>>,
    scoring: Vec<Scoring>,
    warning: Vec<ChurnWarning>,
    sequences: Vec<[u64; 2]>,
    controls: u64,
    store: SaveStore,
    dir: Arc<tempfile::TempDir>,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SaveStore::open(&format!("sqlite://{}", dir.path().join("model.db").display())).await.unwrap();
        let each = || 0..PARTITIONS;
        Self {
            log: MemoryLog::with_topics(&topics::all(PARTITIONS)),
            events: each().map(|_| Vec::new()).collect(),
            scoring: each().map(|_| Scoring::new(PARTITIONS)).collect(),
            warning: each().map(|_| ChurnWarning::new(PARTITIONS)).collect(),
            sequences: each().map(|_| [0, 0]).collect(),
            controls: 0,
            store,
            dir: Arc::new(dir),
        }
    }

    /// Policies, four months of orders of some customers, one of whom falls silent, and what else there is.
    pub async fn with_history() -> Self {
        let mut world = Self::new().await;
        world.control(control::Control::LogicActivated(LogicActivated { logic: 1 })).await;
        for text in [SCORECARD, PYRAMID, LIFECYCLE] {
            let text = text.to_owned();
            world.control(control::Control::PolicyActivated(PolicyActivated { text })).await;
        }
        let text = DETECTORS.to_owned();
        world.control(control::Control::DetectorsActivated(DetectorsActivated { text })).await;
        for day in 0..120 {
            for (number, id) in ["17850", "13085", "a b/ü?&#", MARKUP].into_iter().enumerate() {
                let is_due = day % (5 + number as i64) == 0 && (number != 1 || day < 40);
                if is_due {
                    world.order(id, day, &format!("{}.50", 1_000 * (number + 1))).await;
                }
            }
            world.tick(day + 1).await;
        }
        world.fact("17850", 119, "complaint.opened", json!({"complaint_id": "c1", "category": "price"})).await;
        world.fact("17850", 119, "profile.updated", json!({"owner": "Ada", "region": "north", "name": "Jo Doe"})).await;
        world.fact("13085", 119, "profile.updated", json!({"owner": "Bob"})).await;
        let reaches = |at_least| CutPoint { reachable: true, at_least };
        let values = vec![reaches(4_000_000), reaches(2_000_000)];
        let as_of_ms = BEGIN_MS + 120 * DAY_MS;
        let policy = "pyramid".to_owned();
        let cut_points = CutPoints { policy, version: 1, as_of_ms, values, ..CutPoints::default() };
        world.control(control::Control::CutPoints(cut_points)).await;
        world.control(control::Control::Live(Live {})).await;
        let quiet = SourceQuiet { source: "crm".to_owned(), as_of_ms, last_seen_ms: BEGIN_MS, longest_pause_ms: 1 };
        world.control(control::Control::SourceQuiet(quiet)).await;
        world.delivery("d1", "17850", "retrying", 1).await;
        world.delivery("d1", "17850", "delivered", 2).await;
        let letter =
            DeadLetter { reason: "is missing".to_owned(), field: "data.amount".to_owned(), ..DeadLetter::default() };
        world.dead_letter(0, &letter).await;
        world
    }

    async fn say(&self, topic: &str, partition: u32, record: NewRecord) {
        let producer = self.log.producer("stage").await.unwrap();
        producer.send(topic, partition, vec![record]).await.unwrap().await.unwrap();
    }

    async fn control(&mut self, control: control::Control) {
        let control = Control { control: Some(control), origin: None };
        self.say(CONTROL.name, 0, CONTROL.record("", &control, Headers::new())).await;
        self.controls += 1;
        let copy = ControlCopy { number: self.controls, control: Some(control) };
        for partition in 0..PARTITIONS {
            self.event(partition, Event::Control(copy.clone())).await;
        }
    }

    pub async fn tick(&mut self, day: i64) {
        for partition in 0..PARTITIONS {
            self.event(partition, Event::Tick(Tick { time_ms: BEGIN_MS + day * DAY_MS })).await;
        }
    }

    pub async fn order(&mut self, customer: &str, day: i64, amount: &str) {
        let data = json!({"order_id": format!("o-{day}"), "currency": "GBP", "amount": amount});
        self.fact(customer, day, "order.placed", data).await;
    }

    pub async fn fact(&mut self, customer: &str, day: i64, kind: &str, data: Value) {
        let time = tiermesh_domain::time::format_instant(BEGIN_MS + day * DAY_MS + 1_000);
        let event = json!({"specversion": "1.0", "id": format!("{kind}-{day}"), "source": "shop", "time": time,
            "type": format!("tiermesh.{kind}"), "subject": customer, "data": data});
        let fact = parse_cloud_event(event.to_string().as_bytes()).unwrap().fact;
        self.event(partition_of(customer, PARTITIONS), Event::Fact(fact)).await;
    }

    /// Writes an event, and what scoring and churn-warning say to it.
    async fn event(&mut self, partition: u32, event: Event) {
        let event = CustomerEvent { event: Some(event) };
        self.say(CUSTOMER_EVENTS.name, partition, CUSTOMER_EVENTS.record("", &event, Headers::new())).await;
        let at = partition as usize;
        let mut effects = Vec::new();
        self.scoring[at].apply(&event, &mut effects).unwrap();
        self.warning[at].apply(&event, &mut effects).unwrap();
        self.events[at].push(event);
        for effect in effects {
            match effect {
                Effect::TierChanged(change) => {
                    self.sequences[at][0] += 1;
                    let headers = headers("scoring", partition, self.sequences[at][0]);
                    self.say(TIER_CHANGES.name, partition, TIER_CHANGES.record("", &change, headers)).await;
                }
                Effect::SignalChanged(signal) => {
                    self.sequences[at][1] += 1;
                    let headers = headers("churn-warning", partition, self.sequences[at][1]);
                    self.say(CHURN_SIGNALS.name, partition, CHURN_SIGNALS.record("", &signal, headers)).await;
                }
                _ => {}
            }
        }
    }

    pub async fn dead_letter(&self, partition: u32, letter: &DeadLetter) {
        self.say(DEAD_LETTERS.name, partition, DEAD_LETTERS.record("", letter, Headers::new())).await;
    }

    pub async fn delivery(&self, id: &str, customer: &str, state: &str, attempts: u32) {
        let delivery = Delivery {
            id: id.to_owned(),
            route: "sales".to_owned(),
            channel: "webhook".to_owned(),
            customer: customer.to_owned(),
            state: state.to_owned(),
            attempts,
            at_ms: BEGIN_MS + 120 * DAY_MS,
            ..Delivery::default()
        };
        self.say(NOTIFICATION_DELIVERIES.name, 0, NOTIFICATION_DELIVERIES.record("", &delivery, Headers::new())).await;
    }

    /// A console over it, through with all that the log holds.
    pub async fn console(&self) -> Running {
        let (health, shutdown) = (Health::default(), Shutdown::manual());
        let log = Arc::new(self.log.clone());
        let console = Console::start(log, self.store.clone(), &health, &shutdown).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = console.router().merge(health.router());
        let stopping = shutdown.clone();
        let serving = tokio::spawn(async move { serve(listener, router, &stopping).await.unwrap() });
        tiermesh_service_host::install_tls();
        let client = reqwest::Client::new();
        let running = Running {
            console,
            url,
            client,
            shutdown,
            serving,
            model: ReadModel::new(self.store.clone()),
            _dir: Arc::clone(&self.dir),
        };
        running.settled(1).await;
        running
    }
}

fn headers(service: &str, partition: u32, sequence: u64) -> Headers {
    let origin = Origin { service: service.to_owned(), partition, offset: 1, sequence };
    let source = format!("tiermesh/{service}");
    [("ce_source", &source), ("ce_id", &tiermesh_processing::effect_id(&origin))].into_iter().collect()
}

/// A console that runs.
pub struct Running {
    console: Console,
    pub url: String,
    pub client: reqwest::Client,
    shutdown: Shutdown,
    serving: tokio::task::JoinHandle<()>,
    pub model: ReadModel,
    /// The read model's file has to outlive the world that it is made of.
    _dir: Arc<tempfile::TempDir>,
}

impl Running {
    /// What is answered to a question.
    pub async fn ask(&self, path: &str) -> (u16, Value) {
        let answer = self.client.get(format!("{}/api/v1/{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// All items of a list, in pages of so many.
    pub async fn all(&self, path: &str, limit: u32) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut url = reqwest::Url::parse(&format!("{}/api/v1/{path}", self.url)).unwrap();
            url.query_pairs_mut().append_pair("limit", &limit.to_string());
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let page: Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
            items.extend(page["items"].as_array().unwrap_or_else(|| panic!("{path}: {page}")).clone());
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return items;
            }
        }
    }

    /// Waits until the read model is through with the log, in that generation.
    pub async fn settled(&self, generation: i64) {
        eventually("the read model to be built", async || {
            let (_, status) = self.ask("status").await;
            let is_known = status["positions"].as_array().is_some_and(|positions| !positions.is_empty());
            is_known && status["generation"] == generation && status["building"].is_null() && status["lag"] == 0
        })
        .await;
    }

    pub async fn stop(self) {
        self.shutdown.stop();
        self.serving.await.unwrap();
        self.console.stop().await;
    }
}

/// Asks until the answer is yes. How long it takes is not measured: the limit only ends what hangs.
pub async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}
