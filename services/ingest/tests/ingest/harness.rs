//! An ingest that listens on a port of its own, and what it wrote.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tiermesh_event_log::{
    EventLog, Record,
    memory::MemoryLog,
    topics::{self, CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS, Topic},
};
use tiermesh_ingest::{Clock, Ingest, Settings};
use tiermesh_proto::v1::{Control, DeadLetter, Fact, control, customer_event::Event};
use tiermesh_service_host::{Health, Shutdown};
use tiermesh_store::SaveStore;
use tokio::task::JoinHandle;

pub const PARTITIONS: u32 = 4;
pub const PYRAMID: &str = include_str!("../../../../policies/pyramid.toml");
pub const SCORECARD: &str = include_str!("../../../../policies/scorecard.toml");

/// What outlives an instance.
pub struct World {
    pub log: MemoryLog,
    pub store: SaveStore,
    _dir: Option<tempfile::TempDir>,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("store.db").display());
        Self { _dir: Some(dir), ..Self::with_store(&url).await }
    }

    pub async fn with_store(url: &str) -> Self {
        let store = SaveStore::open(url).await.unwrap();
        Self { log: MemoryLog::with_topics(&topics::all(PARTITIONS)), store, _dir: None }
    }

    /// An instance that holds `control`.
    pub async fn start(&self) -> Instance {
        self.start_with(settings(), Clock::system()).await
    }

    pub async fn start_with(&self, settings: Settings, clock: Clock) -> Instance {
        let log: Arc<dyn EventLog> = Arc::new(self.log.clone());
        let health = Health::default();
        let ingest = Ingest::start(log, self.store.clone(), settings, clock, &health).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = ingest.router().merge(health.router());
        let shutdown = Shutdown::manual();
        let stopping = shutdown.clone();
        let server =
            tokio::spawn(async move { tiermesh_service_host::serve(listener, router, &stopping).await.unwrap() });
        tiermesh_service_host::install_tls();
        let instance = Instance { ingest, url, client: Client::new(), shutdown, server };
        eventually("ready", async || instance.get("/readyz").await.status() == 200).await;
        instance
    }

    pub fn records(&self, partition: u32) -> Vec<Record> {
        self.log.records(CUSTOMER_EVENTS.name, partition).unwrap()
    }

    pub fn events(&self, partition: u32) -> Vec<Event> {
        let decode = |record: &Record| CUSTOMER_EVENTS.decode(record).unwrap().event.unwrap();
        self.records(partition).iter().map(decode).collect()
    }

    pub fn facts(&self) -> Vec<Fact> {
        let all = (0..PARTITIONS).flat_map(|partition| self.events(partition));
        all.filter_map(|event| if let Event::Fact(fact) = event { Some(fact) } else { None }).collect()
    }

    pub fn ticks(&self, partition: u32) -> Vec<i64> {
        let events = self.events(partition).into_iter();
        events.filter_map(|event| if let Event::Tick(tick) = event { Some(tick.time_ms) } else { None }).collect()
    }

    /// Numbers of the copies in a partition.
    pub fn copies(&self, partition: u32) -> Vec<u64> {
        let events = self.events(partition).into_iter();
        events.filter_map(|event| if let Event::Control(copy) = event { Some(copy.number) } else { None }).collect()
    }

    pub fn control(&self) -> Vec<control::Control> {
        let records = self.log.records(CONTROL.name, 0).unwrap();
        records.iter().map(|record| CONTROL.decode(record).unwrap().control.unwrap()).collect()
    }

    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let records = (0..PARTITIONS).flat_map(|partition| self.log.records(DEAD_LETTERS.name, partition).unwrap());
        records.map(|record| DEAD_LETTERS.decode(&record).unwrap()).collect()
    }

    /// Appends as another service would.
    pub async fn say(&self, control: control::Control) -> u64 {
        let control = Control { control: Some(control), origin: None };
        self.append(&CONTROL, 0, &control).await
    }

    pub async fn append<V: prost::Message + Default>(&self, topic: &Topic<V>, partition: u32, value: &V) -> u64 {
        let producer = self.log.producer("another").await.unwrap();
        producer
            .send(topic.name, partition, vec![topic.record("", value, Default::default())])
            .await
            .unwrap()
            .await
            .unwrap()
    }
}

pub fn settings() -> Settings {
    Settings {
        tick_interval: Duration::from_secs(3600),
        ack_limit: Duration::from_secs(5),
        cut_points_limit: Duration::from_secs(5),
        save_interval: Duration::from_millis(1),
        require_keys: false,
        ..Settings::default()
    }
}

pub struct Instance {
    pub ingest: Ingest,
    pub url: String,
    pub client: Client,
    shutdown: Shutdown,
    server: JoinHandle<()>,
}

impl Instance {
    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", content_type);
        answer(request.body(body).send().await.unwrap()).await
    }

    pub async fn event(&self, event: &Value) -> (u16, Value) {
        self.post("/v1/events", "application/cloudevents+json", event.to_string()).await
    }

    pub async fn lines(&self, events: &[Value]) -> (u16, Value) {
        self.post("/v1/events", "application/x-ndjson", ndjson(events)).await
    }

    /// Waits until all that stands in `control` is copied.
    pub async fn copied(&self, world: &World) {
        let end = world.log.extent(CONTROL.name, 0).await.unwrap().end - 1;
        eventually("copied", async || (0..PARTITIONS).all(|partition| world.copies(partition).contains(&end))).await;
    }

    /// Stops as after SIGTERM.
    pub async fn stop(self) {
        self.shutdown.stop();
        self.ingest.stop().await;
        self.server.await.unwrap();
    }
}

pub async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub fn ndjson(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

/// An order.
pub fn order(id: &str, customer: &str, time: &str, amount: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "erp/test", "type": "tiermesh.order.placed", "subject": customer,
        "time": time, "data": {"order_id": id, "currency": "GBP", "amount": amount}
    })
}

pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not {what} in 10 s");
}
