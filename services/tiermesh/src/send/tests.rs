//! Sending to an ingest of this process, on the memory log.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    http::{StatusCode, header::RETRY_AFTER},
    response::IntoResponse,
};
use clap::Parser;
use serde_json::json;
use tiermesh_event_log::{
    EventLog,
    memory::MemoryLog,
    topics::{self, CUSTOMER_EVENTS, DEAD_LETTERS},
};
use tiermesh_ingest::{Clock, Ingest, Settings};
use tiermesh_proto::v1::{Fact, customer_event::Event};
use tiermesh_service_host::{Health, Shutdown, bind, serve};
use tiermesh_store::SaveStore;
use tokio::runtime::Runtime;

use super::{Args, SendError, Tally, send};

const PARTITIONS: u32 = 4;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

struct World {
    log: MemoryLog,
    dir: tempfile::TempDir,
}

/// An ingest with threads of its own: when it is killed, all that ran in it is gone.
struct Server {
    runtime: Option<Runtime>,
}

impl World {
    fn new() -> Self {
        Self { log: MemoryLog::with_topics(&topics::all(PARTITIONS)), dir: tempfile::tempdir().unwrap() }
    }

    async fn serve(&self, address: &str) -> (Server, SocketAddr) {
        let log: Arc<dyn EventLog> = Arc::new(self.log.clone());
        let store = format!("sqlite://{}", self.dir.path().join("store.db").display());
        let address = address.parse().unwrap();
        let runtime = Runtime::new().unwrap();
        let started = runtime.spawn(async move {
            let store = SaveStore::open(&store).await.unwrap();
            let settings =
                Settings { tick_interval: Duration::from_secs(3_600), require_keys: false, ..Settings::default() };
            let ingest = Ingest::start(log, store, settings, Clock::system(), &Health::default()).await.unwrap();
            let listener = bind(address).await.unwrap();
            let address = listener.local_addr().unwrap();
            let router = ingest.router();
            tokio::spawn(async move {
                serve(listener, router, &Shutdown::manual()).await.unwrap();
                drop(ingest);
            });
            address
        });
        (Server { runtime: Some(runtime) }, started.await.unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn events(&self, partition: u32) -> Vec<Event> {
        let records = self.log.records(CUSTOMER_EVENTS.name, partition).unwrap();
        records.iter().map(|record| CUSTOMER_EVENTS.decode(record).unwrap().event.unwrap()).collect()
    }

    fn facts(&self) -> Vec<Fact> {
        let events = (0..PARTITIONS).flat_map(|partition| self.events(partition));
        events.filter_map(|event| if let Event::Fact(fact) = event { Some(fact) } else { None }).collect()
    }

    /// Waits until so many records stand in the log.
    async fn grows_to(&self, records: u64) {
        loop {
            let mut end = 0;
            for partition in 0..PARTITIONS {
                end += self.log.extent(CUSTOMER_EVENTS.name, partition).await.unwrap().end;
            }
            if end >= records {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn ids(&self) -> BTreeSet<String> {
        self.facts().into_iter().map(|fact| fact.id).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn run(address: SocketAddr, arguments: &[&str], file: &std::path::Path) -> Result<Tally, SendError> {
    let to = format!("http://{address}");
    let file = file.display().to_string();
    let command = ["send", "--quiet", "--to", &to].into_iter().chain(arguments.iter().copied()).chain([file.as_str()]);
    send(&Command::try_parse_from(command).unwrap().args).await
}

fn orders(count: usize) -> String {
    let first = tiermesh_domain::time::parse_instant("2010-01-01T08:00:00Z").unwrap();
    let line = |number: usize| {
        let time = tiermesh_domain::time::format_instant(first + number as i64 * 3_600_000);
        let id = format!("o-{number:06}");
        let data = json!({"order_id": id, "currency": "GBP", "amount": "1"});
        let event = json!({
            "specversion": "1.0", "id": id, "source": "test", "type": "tiermesh.order.placed",
            "subject": format!("c-{}", number % 50), "time": time, "data": data
        });
        format!("{event}\n")
    };
    (0..count).map(line).collect()
}

#[tokio::test]
async fn a_file_with_good_and_bad_lines() {
    let world = World::new();
    let (_server, address) = world.serve("127.0.0.1:0").await;
    let mut text = orders(3_000);
    text.push_str("{oops\n");
    text.push_str(&orders(1));
    text.push_str(&orders(1).replace("GBP", "XXQ").replace("\"1\"", "\"2\""));
    let tally = run(address, &[], &world.file("a.ndjson", text)).await.unwrap();
    assert_eq!((tally.accepted, tally.duplicates, tally.refused), (3_000, 1, 2));
    let told = tally.json(Duration::ZERO);
    let places: Vec<&str> =
        told["reasons"].as_array().unwrap().iter().map(|reason| reason["examples"][0].as_str().unwrap()).collect();
    assert!(places.iter().any(|place| place.ends_with("a.ndjson:3001")), "{places:?}");
    assert!(places.iter().any(|place| place.ends_with("a.ndjson:3003")), "{places:?}");
    assert!(tally.table(Duration::ZERO).contains("data.currency"), "{}", tally.table(Duration::ZERO));
    assert_eq!(world.facts().len(), 3_000);
    let again = run(address, &[], &world.file("b.ndjson", orders(3_000))).await.unwrap();
    assert_eq!((again.accepted, again.duplicates), (0, 3_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_loses_and_doubles_nothing() {
    let world = World::new();
    let (server, address) = world.serve("127.0.0.1:0").await;
    let file = world.file("a.ndjson", orders(40_000));
    let sending = tokio::spawn(async move { run(address, &[], &file).await });
    world.grows_to(5_000).await;
    drop(server);
    assert!(world.ids().len() < 40_000, "killed in the middle");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (_server, _) = world.serve(&address.to_string()).await;
    let tally = sending.await.unwrap().unwrap();
    assert_eq!(tally.accepted + tally.duplicates, 40_000);
    assert_eq!(tally.refused, 0);
    assert_eq!(world.ids().len(), 40_000);
}

#[tokio::test]
async fn nobody_there() {
    let world = World::new();
    let file = world.file("a.ndjson", orders(1));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = run(address, &["--retry-for", "0"], &file).await.unwrap_err();
    assert!(error.to_string().contains("is ingest running there?"), "{error}");
    let missing = world.dir.path().join("missing.ndjson");
    assert!(matches!(run(address, &[], &missing).await, Err(SendError::Usage(_))));
    assert!(matches!(run(address, &["--history", "--until", "soon"], &file).await, Err(SendError::Usage(_))));
}

#[tokio::test]
async fn who_is_asked_to_wait_waits_and_goes_on() {
    let world = World::new();
    let file = world.file("a.ndjson", orders(10));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let answer = move || {
        let times = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            if times < 2 {
                let error = json!({"error": {"code": "rate-limited", "reason": "later"}});
                return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")], axum::Json(error)).into_response();
            }
            axum::Json(json!({"accepted": 10, "duplicates": 0, "refused": 0, "results": []})).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/v1/events", axum::routing::post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    // No failure is borne at all, and this is none.
    let tally = run(address, &["--retry-for", "0"], &file).await.unwrap();
    assert_eq!((tally.accepted, asked.load(Ordering::SeqCst)), (10, 3));
}

#[tokio::test]
async fn history_is_sorted_and_goes_live() {
    let world = World::new();
    let (_server, address) = world.serve("127.0.0.1:0").await;
    let mut lines: Vec<String> = orders(6_100).lines().map(str::to_owned).collect();
    lines.extend_from_within(..100);
    lines.reverse();
    lines.push("{oops".to_owned());
    let file = world.file("a.ndjson", lines.join("\n"));
    // 6,000 hours are 250 days.
    let arguments = ["--history", "--until", "2010-09-08T07:30:00Z"];
    let tally = run(address, &arguments, &file).await.unwrap();
    assert_eq!((tally.accepted, tally.duplicates, tally.refused, tally.after_until), (6_000, 100, 1, 100));
    assert_eq!(world.facts().len(), 6_000);
    let kept: usize =
        (0..PARTITIONS).map(|partition| world.log.records(DEAD_LETTERS.name, partition).unwrap().len()).sum();
    assert_eq!(kept, 1);
    for partition in 0..PARTITIONS {
        let ticks = world.events(partition).iter().filter(|event| matches!(event, Event::Tick(_))).count();
        assert_eq!(ticks, 251);
    }
    let error = run(address, &["--history"], &file).await.unwrap_err();
    assert!(error.to_string().contains("the mesh is live"), "{error}");
}

#[tokio::test]
async fn a_history_of_which_nothing_can_be_read_does_not_go_live() {
    let world = World::new();
    let (_server, address) = world.serve("127.0.0.1:0").await;
    let bad = world.file("bad.ndjson", "{oops\n{\"specversion\": \"1.0\"}\n");
    let tally = run(address, &["--history"], &bad).await.unwrap();
    assert_eq!((tally.accepted, tally.refused), (0, 2));
    let good = world.file("good.ndjson", orders(10));
    let tally = run(address, &["--history"], &good).await.unwrap();
    assert_eq!((tally.accepted, tally.refused), (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_goes_on_after_a_restart_of_the_server() {
    let world = World::new();
    let (server, address) = world.serve("127.0.0.1:0").await;
    let file = world.file("a.ndjson", orders(30_000));
    let sending = tokio::spawn(async move { run(address, &["--history", "--more"], &file).await });
    world.grows_to(8_000).await;
    drop(server);
    assert!(world.ids().len() < 30_000, "killed in the middle");
    let (_server, _) = world.serve(&address.to_string()).await;
    let tally = sending.await.unwrap().unwrap();
    assert_eq!((tally.accepted, tally.duplicates, tally.refused), (30_000, 0, 0));
    assert_eq!(world.ids().len(), 30_000);
    for partition in 0..PARTITIONS {
        let mut time = i64::MIN;
        let mut ticks = 0;
        let mut seen = BTreeSet::new();
        for event in world.events(partition) {
            match event {
                // A holder that took over may write ticks again: a partition ignores what isn't above its time.
                Event::Tick(tick) if tick.time_ms <= time => {}
                Event::Tick(tick) => {
                    time = tick.time_ms;
                    ticks += 1;
                }
                // Only what is known already may come late.
                Event::Fact(fact) => assert!(!seen.insert(fact.id.clone()) || fact.time_ms > time, "{}", fact.id),
                Event::Control(_) => {}
            }
        }
        assert_eq!(ticks, 1_250);
    }
}
