//! From event to webhook on Kafka and PostgreSQL: notification may be killed and receivers may fail; each message that
//! is due arrives, and one that honours its id counts it once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tiermesh_domain::time::{DAY_MS, format_instant};
use tiermesh_event_log::topics::{NOTIFICATION_DELIVERIES, TIER_CHANGES};
use tiermesh_testkit::wait_for;
use tokio::runtime::Runtime;

use crate::{
    data::{ndjson, now},
    kafka,
    mesh_process::{PATIENCE, Process},
    receiver::Receiver,
    running::Mesh,
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Each orders twice: a first tier, and a better one.
const CUSTOMERS: usize = 900;

/// A receiver that says that it is gone, until it is back.
struct Gone {
    is_back: Arc<AtomicBool>,
    url: String,
    runtime: Runtime,
}

impl Gone {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let is_back = Arc::<AtomicBool>::default();
        let answer = async |State(is_back): State<Arc<AtomicBool>>| {
            if is_back.load(Ordering::Relaxed) { StatusCode::OK } else { StatusCode::GONE }
        };
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&is_back));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { is_back, url, runtime }
    }

    /// Asks notification to try a delivery again; how it stands then.
    fn retry(&self, notification: &str, id: &str) -> Value {
        let url = format!("{notification}/v1/deliveries/{id}/retry");
        let request = async { reqwest::Client::new().post(url).send().await.unwrap().json().await.unwrap() };
        tiermesh_service_host::install_tls();
        self.runtime.block_on(request)
    }
}

fn orders(of: std::ops::Range<usize>) -> Vec<u8> {
    let order = |customer: usize, number: usize| {
        let amount = if number == 0 { "100.00" } else { "600000.00" };
        json!({
            "specversion": "1.0", "type": "tiermesh.order.placed", "source": "test",
            "id": format!("{customer}-{number}"), "subject": format!("customer-{customer}"),
            "time": format_instant(now() - DAY_MS + number as i64),
            "data": {"order_id": format!("{customer}-{number}"), "amount": amount, "currency": "GBP"},
        })
    };
    let orders: Vec<Value> = of.flat_map(|customer| [order(customer, 0), order(customer, 1)]).collect();
    ndjson(&orders)
}

/// What is to be told: ids of the tier changes that aren't first tiers.
fn due(mesh: &Mesh) -> BTreeSet<String> {
    let mut due = BTreeSet::new();
    for record in mesh.records(TIER_CHANGES.name).iter().flatten() {
        let change = TIER_CHANGES.decode(record).unwrap();
        assert!(!change.history);
        if change.from.is_some() {
            due.insert(format!("{}/{}", record.header("ce_source").unwrap(), record.header("ce_id").unwrap()));
        }
    }
    due
}

/// The last word on each delivery of a route, by what it tells.
fn told(mesh: &Mesh, route: &str) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    for record in mesh.records(NOTIFICATION_DELIVERIES.name).iter().flatten() {
        let delivery = NOTIFICATION_DELIVERIES.decode(record).unwrap();
        if delivery.route == route {
            told.insert(format!("{}/{}", delivery.cause_source, delivery.cause_id), delivery.state);
        }
    }
    told
}

fn serve_notification(mesh: &mut Mesh, routes: &str) {
    let routes = mesh.file("routes.toml", routes.as_bytes());
    let sessions = "session.timeout.ms=3000,heartbeat.interval.ms=500";
    let place = ["--kafka", mesh.brokers(), "--store", mesh.store(), "--kafka-property", sessions];
    let arguments = [&["serve", "notification", "--routes", &routes][..], &place].concat();
    let process = Process::start("notification", mesh.directory(), &arguments);
    mesh.add("notification", process);
}

#[test]
fn each_message_that_is_due_arrives_although_notification_is_killed() {
    let (receiver, gone) = (Receiver::start(SECRET), Gone::start());
    let routes = format!(
        "[[routes]]\nname = \"changes\"\nwhat = \"tier-changes\"\n\
         webhook = {{ url = \"{}\", secret = \"{SECRET}\" }}\n\
         [[routes]]\nname = \"gone\"\nwhat = \"tier-changes\"\npolicies = [\"scorecard\"]\ndirection = \"up\"\n\
         webhook = {{ url = \"{}\", secret = \"{SECRET}\" }}\n",
        receiver.url(),
        gone.url
    );
    let mut mesh = kafka::start(&["scoring"]);
    serve_notification(&mut mesh, &routes);
    for part in 0..3 {
        let heard = receiver.accepted().len();
        let file = mesh.file("orders.ndjson", &orders(part * CUSTOMERS / 3..(part + 1) * CUSTOMERS / 3));
        assert_eq!(mesh.send(&[&file])["refused"], 0);
        if part < 2 {
            wait_for("messages to come in", PATIENCE, || receiver.accepted().len() > heard + 20);
            mesh.process("notification").kill();
            mesh.process("notification").launch();
        }
    }
    // Time ends here: what is due is known.
    mesh.process("ingest").stop();
    mesh.wait_until_folded();
    let due = due(&mesh);
    assert!(due.len() >= CUSTOMERS, "too little to tell: {}", due.len());
    wait_for("every message to arrive, and to be told of", PATIENCE, || {
        let told = told(&mesh, "changes");
        told.len() >= due.len() && told.values().all(|state| state == "delivered")
    });
    assert_eq!(told(&mesh, "changes").into_keys().collect::<BTreeSet<_>>(), due);
    assert_eq!(receiver.accepted().len(), due.len(), "by its id, each counts once");
    receiver.assert_honest();

    wait_for("who is gone to be given up", PATIENCE, || {
        let told = told(&mesh, "gone");
        told.len() == CUSTOMERS && told.values().all(|state| state == "dead")
    });
    let notification = mesh.process("notification").url();
    let dead: Value =
        serde_json::from_str(&mesh.process("notification").get("/v1/deliveries?state=dead&limit=1")).unwrap();
    let (id, cause) = (&dead["deliveries"][0]["id"], dead["deliveries"][0]["cause"].as_str().unwrap().to_owned());
    gone.is_back.store(true, Ordering::Relaxed);
    assert_eq!(gone.retry(&notification, id.as_str().unwrap())["state"], "retrying");
    wait_for("what was dead to arrive", PATIENCE, || told(&mesh, "gone")[&cause] == "delivered");
    assert_eq!(told(&mesh, "gone").values().filter(|state| *state == "delivered").count(), 1);
    ["scoring", "churn-warning", "notification"].iter().for_each(|name| mesh.process(name).stop());
}
