//! From event to webhook, on real Kafka with PostgreSQL, all services as separate processes with the settings of the
//! compose file: each is killed with `kill -9` in turn, twice, while events come. Every delivery that should be is
//! there, and a receiver that honours `webhook-id` counts each once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tiermesh_churn_warning::ChurnWarningProcessor;
use tiermesh_domain::time::format_instant;
use tiermesh_event_log::{
    Record,
    topics::{CHURN_SIGNALS, NOTIFICATION_DELIVERIES, TIER_CHANGES},
};
use tiermesh_scoring::{CutPointsProcessor, ScoringProcessor};
use tiermesh_testkit::wait_for;

use crate::{
    composed::Composed,
    data::now,
    deploy::{containers::of_compose, watching::watched},
    mesh_process::PATIENCE,
    receiver::Receiver,
    running::Mesh,
    undisturbed::assert_undisturbed,
};

const VICTIMS: [&str; 5] = ["ingest", "scoring", "churn-warning", "notification", "console"];

/// Customers that come with each kill.
const CUSTOMERS: usize = 40;

/// Events of a request.
const BATCH: usize = 5;

/// What is counted only when it happens, which here it needn't.
const ONLY_WHEN_IT_HAPPENS: [&str; 3] =
    ["tiermesh_ingest_rate_limited_total", "tiermesh_processing_restarts_total", "tiermesh_source_quiet"];

/// A customer who orders, complains twice, orders so much that the score card's tier rises, and sends it back.
pub(crate) fn events_of(customer: &str) -> Vec<Value> {
    let event = |minutes: i64, kind: &str, id: &str, data: Value| {
        json!({
            "specversion": "1.0", "type": format!("tiermesh.{kind}"), "source": "shop/compose",
            "id": format!("{customer}-{id}"), "subject": customer, "time": format_instant(now() - minutes * 60_000),
            "data": data,
        })
    };
    let order =
        |id: &str, amount: &str| json!({"order_id": format!("{customer}-{id}"), "currency": "GBP", "amount": amount});
    let complaint = |id: &str| json!({"complaint_id": format!("{customer}-{id}"), "category": "quality"});
    let refund =
        json!({"order_id": format!("{customer}-o2"), "refund_id": "r", "currency": "GBP", "amount": "600000.00"});
    vec![
        event(90, "order.placed", "o1", order("o1", "10.00")),
        event(80, "complaint.opened", "c1", complaint("c1")),
        event(70, "complaint.opened", "c2", complaint("c2")),
        event(60, "order.placed", "o2", order("o2", "600000.00")),
        event(50, "order.refunded", "r", refund),
    ]
}

/// Sends events as a shop would: batch after batch, each again until it is answered.
fn send(url: &str, events: &[Value]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tiermesh_service_host::install_tls();
    let client = reqwest::Client::new();
    for batch in events.chunks(BATCH) {
        wait_for("a batch to be answered", PATIENCE, || {
            let request = client.post(format!("{url}/v1/events")).body(serde_json::to_vec(batch).unwrap());
            let request = request.header("content-type", "application/cloudevents-batch+json");
            let answer = runtime.block_on(async { request.send().await?.error_for_status()?.json::<Value>().await });
            let Ok(answer) = answer else { return false };
            assert_eq!(answer["refused"], 0, "{answer}");
            true
        });
    }
}

/// One record that has to be told by one route: its CloudEvents source and id, and the route.
pub(crate) type Told = (String, String, &'static str);

fn cause(record: &Record, route: &'static str) -> Told {
    let header = |name: &str| record.header(name).unwrap().to_owned();
    (header("ce_source"), header("ce_id"), route)
}

/// What the routes of the test have to tell of what stands in the log now.
pub(crate) fn to_be_told(mesh: &Mesh) -> BTreeSet<Told> {
    let mut told = BTreeSet::new();
    for record in mesh.records(TIER_CHANGES.name).iter().flatten() {
        let change = TIER_CHANGES.decode(record).unwrap();
        // A first tier is no news.
        if change.from.is_some() && !change.history {
            told.insert(cause(record, "changes"));
        }
    }
    for record in mesh.records(CHURN_SIGNALS.name).iter().flatten() {
        let signal = CHURN_SIGNALS.decode(record).unwrap();
        if ["raised", "cleared", "lost"].contains(&signal.state.as_str()) && !signal.history {
            told.insert(cause(record, "signals"));
        }
    }
    told
}

/// The ids of what was delivered, by what it tells.
pub(crate) fn delivered(mesh: &Mesh) -> BTreeMap<Told, BTreeSet<String>> {
    let mut delivered: BTreeMap<Told, BTreeSet<String>> = BTreeMap::new();
    for record in mesh.records(NOTIFICATION_DELIVERIES.name).iter().flatten() {
        let delivery = NOTIFICATION_DELIVERIES.decode(record).unwrap();
        let route = ["changes", "signals"].into_iter().find(|route| *route == delivery.route).unwrap();
        assert_ne!(delivery.state, "dead", "{delivery:?}");
        if delivery.state == "delivered" {
            delivered.entry((delivery.cause_source, delivery.cause_id, route)).or_default().insert(delivery.id);
        }
    }
    delivered
}

/// Kills a process in the midst of its work, and starts it again.
fn kill_and_restart(mesh: &mut Mesh, victim: &str, receiver: &Receiver) {
    // Notification is at work when something has just arrived; the others while events come.
    if victim == "notification" {
        let before = receiver.accepted().len();
        wait_for("deliveries to arrive", PATIENCE, || receiver.accepted().len() > before);
    }
    mesh.process(victim).kill();
    mesh.process(victim).launch();
    mesh.process(victim).wait_until_ready();
}

/// The mesh of the compose file, but for its routes: they lead to the receiver.
fn start(receiver_url: &str) -> Composed {
    let mut containers = of_compose();
    let files = &mut containers.get_mut("notification").unwrap().files;
    let route = |name: &str, what: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\nwhat = \"{what}\"\n\
             webhook = {{ url = \"{receiver_url}\", secret_env = \"TIERMESH_WEBHOOK_SECRET\" }}\n"
        )
    };
    let routes = route("changes", "tier-changes") + &route("signals", "signals");
    assert!(files.insert("/etc/tiermesh/routes.toml".to_owned(), routes).is_some());
    let composed = Composed::start(containers, &BTreeMap::new());
    composed.run("policies");
    composed
}

#[test]
fn every_delivery_arrives_once_whoever_is_killed() {
    let secret = of_compose()["notification"].environment["TIERMESH_WEBHOOK_SECRET"].clone();
    let receiver = Receiver::start(&secret);
    let mut composed = start(&receiver.url());
    let mesh = &mut composed.mesh;

    let customers: Vec<String> =
        (0..VICTIMS.len() * 2 * CUSTOMERS).map(|number| format!("customer-{number}")).collect();
    for (part, victim) in customers.chunks(CUSTOMERS).zip(VICTIMS.into_iter().cycle()) {
        let before = mesh.events();
        let events: Vec<Value> = part.iter().flat_map(|customer| events_of(customer)).collect();
        let url = mesh.url();
        std::thread::scope(|scope| {
            // It may have to wait until the victim is back.
            let sending = scope.spawn(|| send(&url, &events));
            wait_for("events to arrive", PATIENCE, || mesh.events() > before);
            kill_and_restart(mesh, victim, &receiver);
            sending.join().unwrap();
        });
    }

    // What stands in the log is what should: all that undisturbed services would have said.
    mesh.wait_until_folded();
    let partitions: u32 = mesh.records(TIER_CHANGES.name).len().try_into().unwrap();
    assert_undisturbed(mesh, &ScoringProcessor { partitions });
    assert_undisturbed(mesh, &CutPointsProcessor);
    assert_undisturbed(mesh, &ChurnWarningProcessor { partitions });

    // Time goes on meanwhile, and more may come to be told: what must be told is what stood here at first.
    let least = to_be_told(mesh);
    let of_route = |route: &str| least.iter().filter(|told| told.2 == route).count();
    assert!(of_route("changes") >= 2 * customers.len(), "up and down for everybody: {}", of_route("changes"));
    assert!(of_route("signals") >= customers.len(), "a signal for everybody: {}", of_route("signals"));
    let mut found = BTreeMap::new();
    wait_for("every delivery", PATIENCE, || {
        found = delivered(mesh);
        let accepted = receiver.accepted();
        least.iter().all(|told| found.contains_key(told)) && found.values().flatten().all(|id| accepted.contains(id))
    });
    let most = to_be_told(mesh);
    let mut ids = BTreeSet::new();
    for (told, of_told) in &found {
        assert!(most.contains(told), "{told:?} was told, and nobody said it");
        assert_eq!(of_told.len(), 1, "{told:?} went by several ids: {of_told:?}");
        assert!(ids.insert(of_told.first().unwrap()), "{of_told:?} stands for two");
    }
    receiver.assert_honest();

    let mut known: BTreeSet<String> = BTreeSet::new();
    for name in VICTIMS {
        let metrics = mesh.process(name).get("/metrics");
        let lines = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        known.extend(lines.map(|line| line.split(' ').next().unwrap().to_owned()));
    }
    for metric in watched().iter().filter(|metric| !ONLY_WHEN_IT_HAPPENS.contains(&metric.as_str())) {
        assert!(known.contains(metric), "alerts or dashboards watch {metric}, which no service has: {known:?}");
    }
    composed.stop();
}
