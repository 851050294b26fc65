//! Traces and metrics over the wire: services as processes on Kafka and PostgreSQL, and a real OTLP receiver.
//!
//! One trace id, taken from an HTTP answer, is found on the spans of every service that the event goes through.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reqwest::{Client, header::HeaderMap};
use serde_json::{Value, json};
use tiermesh_domain::time::{DAY_MS, format_instant};
use tiermesh_event_log::topics::TIER_CHANGES;
use tiermesh_store::SaveStore;
use tiermesh_testkit::{free_port, wait_for};
use tokio::runtime::Runtime;

use crate::{
    data::now,
    mesh_process::{PATIENCE, Process, run},
    otlp::{Collector, Seen},
    running::{Mesh, PARTITIONS},
};

const SERVICES: [&str; 4] = ["ingest", "scoring", "churn-warning", "notification"];
const ROUTES: &str = r#"
[[routes]]
name = "first"
what = "tier-changes"
policies = ["lifecycle"]
direction = "first"
log = {}

[[routes]]
name = "signals"
what = "signals"
log = {}
"#;

/// A mesh whose services tell a collector of themselves.
struct Told {
    mesh: Mesh,
    collector: Collector,
    client: Client,
    runtime: Runtime,
}

impl Told {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let collector = Collector::start(&runtime);
        let mut mesh = Mesh::on_kafka();
        let routes = mesh.file("routes.toml", ROUTES.as_bytes());
        let sessions = "session.timeout.ms=3000,heartbeat.interval.ms=500";
        for service in SERVICES {
            let port = free_port();
            let (brokers, store) = (mesh.brokers().to_owned(), mesh.store().to_owned());
            let mut arguments = vec!["serve", service, "--kafka", &brokers, "--store", &store];
            let (url, listen) = (collector.url(), format!("127.0.0.1:{port}"));
            arguments.extend(["--kafka-property", sessions, "--otlp", &url, "--listen", &listen]);
            match service {
                "ingest" => arguments.push("--no-keys"),
                "notification" => arguments.extend(["--routes", &routes]),
                _ => {}
            }
            let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
            let soon = [("OTEL_BSP_SCHEDULE_DELAY", "200"), ("OTEL_METRIC_EXPORT_INTERVAL", "500")];
            let environment = soon.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let process = Process::of_settings(service, mesh.directory(), &arguments, &environment, port);
            mesh.add(service, process);
            mesh.process(service).launch();
        }
        SERVICES.iter().for_each(|service| mesh.process(service).wait_until_ready());
        run(&["policy", "activate", "lifecycle", "loss-signals", "--to", &mesh.url()]);
        tiermesh_service_host::install_tls();
        Self { mesh, collector, client: Client::new(), runtime }
    }

    /// Posts events in one request, which brings this trace or none. What the answer says of its trace.
    async fn post(client: &Client, url: &str, traceparent: Option<&str>, events: &[Value]) -> Traced {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/cloudevents-batch+json".parse().unwrap());
        if let Some(traceparent) = traceparent {
            headers.insert("traceparent", traceparent.parse().unwrap());
        }
        let body = serde_json::to_vec(events).unwrap();
        let answer = client.post(format!("{url}/v1/events")).headers(headers).body(body).send().await.unwrap();
        let traced = Traced::of(answer.headers()["traceresponse"].to_str().unwrap());
        let report: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(report["accepted"], events.len(), "{report}");
        traced
    }

    /// Posts events in a request of a recorded trace; its id, as the answer has it.
    fn send(&self, number: u64, events: &[Value]) -> String {
        let brought = format!("00-{number:032x}-00000000000000aa-01");
        let traced = self.runtime.block_on(Self::post(&self.client, &self.mesh.url(), Some(&brought), events));
        assert_eq!((traced.id.as_str(), traced.recorded), (&brought[3..35], true));
        traced.id
    }

    /// Waits until a service has told of so many spans of that name in the trace, and gives them. Services export when
    /// they please: that one's spans are here says nothing of another's.
    fn wait_for(&self, trace: &str, service: &str, name: &str, count: usize) -> Vec<Seen> {
        let mut spans = Vec::new();
        wait_for(&format!("{count} times `{name}` of {service} in trace {trace}"), PATIENCE, || {
            spans = named(self.collector.trace(trace), service, name);
            spans.len() >= count
        });
        spans
    }
}

/// What an answer says of its trace.
struct Traced {
    id: String,
    recorded: bool,
}

impl Traced {
    fn of(traceresponse: &str) -> Self {
        let parts: Vec<&str> = traceresponse.split('-').collect();
        Self { id: parts[1].to_owned(), recorded: parts[3] == "01" }
    }
}

fn order(customer: &str, id: &str, time: i64) -> Value {
    json!({
        "specversion": "1.0", "type": "tiermesh.order.placed", "source": "test", "id": id, "subject": customer,
        "time": format_instant(time), "data": {"order_id": id, "amount": "10.00", "currency": "GBP"},
    })
}

fn first_order(customer: &str) -> Value {
    order(customer, &format!("o-{customer}"), now() - 1_000)
}

/// The spans of a service that are named so.
fn named(mut spans: Vec<Seen>, service: &str, name: &str) -> Vec<Seen> {
    spans.retain(|span| span.service == format!("tiermesh-{service}") && span.name.starts_with(name));
    spans
}

fn everyone() -> BTreeSet<String> {
    SERVICES.iter().map(|service| format!("tiermesh-{service}")).collect()
}

#[test]
fn a_trace_leads_from_the_request_to_the_delivery() {
    let mut told = Told::start();
    one_event(&told);
    five_hundred_in_one_batch(&told);
    five_hundred_traces_in_one_poll(&mut told);
    folded_again(&mut told);
    a_signal_by_time_alone(&told);
    whole_or_absent(&told);
    metrics_arrive(&mut told);
    SERVICES.iter().for_each(|service| told.mesh.process(service).stop());
}

fn one_event(told: &Told) {
    let trace = told.send(0x1001, &[first_order("single")]);
    let told_of = told.wait_for(&trace, "notification", "deliver first", 1).remove(0);
    let request = told.wait_for(&trace, "ingest", "POST /v1/events", 1).remove(0);
    assert_eq!(
        (request.parent.as_str(), &*request.attributes["http.response.status_code"]),
        ("00000000000000aa", "200")
    );
    let sent = told.wait_for(&trace, "ingest", "send customer.events", 1).remove(0);
    assert_eq!((&sent.parent, &*sent.attributes["messaging.system"]), (&request.span, "kafka"));
    let folded = ["scoring", "churn-warning"].map(|service| {
        let folded = told.wait_for(&trace, service, "process customer.events", 1);
        assert_eq!(folded.len(), 1);
        assert_eq!((&folded[0].parent, &*folded[0].attributes["messaging.message.id"]), (&sent.span, "o-single"));
        folded[0].span.clone()
    });
    assert_eq!(told_of.parent, folded[0], "what a record leads to is a child of its span");
}

fn five_hundred_in_one_batch(told: &Told) {
    let events: Vec<Value> = (0..500).map(|number| first_order(&format!("batch-{number}"))).collect();
    let trace = told.send(0x2001, &events);
    for service in ["scoring", "churn-warning"] {
        let folded = told.wait_for(&trace, service, "process customer.events", 500);
        let events: BTreeSet<&str> = folded.iter().map(|span| &*span.attributes["messaging.message.id"]).collect();
        assert_eq!((folded.len(), events.len()), (500, 500), "each event has a span of its own");
    }
    assert_eq!(told.wait_for(&trace, "notification", "deliver first", 500).len(), 500);
    let sent = told.wait_for(&trace, "ingest", "send customer.events", PARTITIONS as usize);
    assert_eq!(sent.len(), PARTITIONS as usize, "one for each partition");
}

fn five_hundred_traces_in_one_poll(told: &mut Told) {
    // What comes while nobody scores is read at once later.
    told.mesh.process("scoring").kill();
    let traces: Vec<String> =
        (0..500).map(|number| told.send(0x3000 + number, &[first_order(&format!("poll-{number}"))])).collect();
    told.mesh.process("scoring").launch();
    told.mesh.process("scoring").wait_until_ready();
    for (number, trace) in traces.iter().enumerate() {
        let told_of = told.wait_for(trace, "notification", "deliver first", 1);
        let scored = told.wait_for(trace, "scoring", "process customer.events", 1);
        assert_eq!((told_of.len(), scored.len()), (1, 1));
        assert_eq!(scored[0].attributes["messaging.message.id"], format!("o-poll-{number}"), "each in its own trace");
        assert_eq!(told_of[0].parent, scored[0].span);
        assert_eq!(told.wait_for(trace, "ingest", "send customer.events", 1).len(), 1);
    }
}

fn folded_again(told: &mut Told) {
    told.mesh.wait_until_folded();
    // Deposed in every partition, scoring goes on and can't save any more: what it folds now is folded again.
    told.runtime.block_on(async {
        let store = SaveStore::open(told.mesh.store()).await.unwrap();
        for partition in 0..PARTITIONS {
            store.acquire("scoring", partition).await.unwrap();
        }
    });
    let trace = told.send(0x4001, &[first_order("again")]);
    told.wait_for(&trace, "scoring", "process customer.events", 1);
    told.mesh.process("scoring").kill();
    told.mesh.process("scoring").launch();
    told.mesh.process("scoring").wait_until_ready();
    // Again, in the same trace.
    told.wait_for(&trace, "scoring", "process customer.events", 2);
    told.wait_for(&trace, "notification", "deliver first", 1);
    told.mesh.wait_until_folded();
    wait_for("all services to tell of it", PATIENCE, || told.collector.services(&trace) == everyone());
    assert_eq!(told.wait_for(&trace, "notification", "deliver first", 1).len(), 1, "told once");
}

/// Orders every eight days, and one that leaves the window of 30 days some seconds after it was sent: then there is
/// none in it, where 3.7 were to be expected. It is sent first: without it, the others would be a signal at once.
fn a_signal_by_time_alone(told: &Told) {
    let last = now() - 30 * DAY_MS + 25_000;
    let orders: Vec<Value> = (0..60).map(|nth| order("quiet", &format!("q-{nth}"), last - nth * 8 * DAY_MS)).collect();
    let trace = told.send(0x5001, &orders);
    let mut raised = Vec::new();
    wait_for("a signal by time alone, linked to the last order", PATIENCE, || {
        raised = told.collector.linked_to(&trace);
        raised.iter().any(|span| span.service == "tiermesh-churn-warning")
    });
    let root = raised.iter().find(|span| span.service == "tiermesh-churn-warning").unwrap();
    assert_ne!(root.trace, trace);
    assert_eq!(root.parent, "", "it begins a trace of its own");
    let delivery = told.wait_for(&root.trace, "notification", "deliver signals", 1).remove(0);
    assert_eq!(delivery.parent, root.span);
}

fn whole_or_absent(told: &Told) {
    let url = told.mesh.url();
    let post = async |lane: usize| {
        let mut traces = Vec::new();
        for number in 0..250 {
            let event = first_order(&format!("sampled-{lane}-{number}"));
            traces.push(Told::post(&told.client, &url, None, &[event]).await);
        }
        traces
    };
    let lanes = told.runtime.block_on(futures::future::join_all((0..8).map(post)));
    let traces: Vec<Traced> = lanes.into_iter().flatten().collect();
    assert_eq!(traces.len(), 2_000);
    let recorded: Vec<&Traced> = traces.iter().filter(|trace| trace.recorded).collect();
    assert!(!recorded.is_empty() && recorded.len() < 100, "{} of 2,000 at 1 %", recorded.len());
    told.mesh.wait_until_folded();
    for trace in &recorded {
        wait_for("a recorded trace to be whole", PATIENCE, || told.collector.services(&trace.id) == everyone());
    }
    for trace in traces.iter().filter(|trace| !trace.recorded) {
        assert_eq!(told.collector.services(&trace.id), BTreeSet::new(), "a trace that isn't recorded");
    }
    let carried: BTreeSet<String> = told
        .mesh
        .records(TIER_CHANGES.name)
        .iter()
        .flatten()
        .filter_map(|record| record.header("traceparent").map(|value| value[3..35].to_owned()))
        .collect();
    assert!(recorded.iter().all(|trace| carried.contains(&trace.id)));
    assert!(traces.iter().all(|trace| trace.recorded || !carried.contains(&trace.id)));
}

fn metrics_arrive(told: &mut Told) {
    let expected = BTreeMap::from([
        (
            "ingest",
            vec![
                "tiermesh_ingest_events_total",
                "tiermesh_ingest_source_last_event_timestamp_seconds",
                "tiermesh_ingest_tick_timestamp_seconds",
            ],
        ),
        ("scoring", FOLDING.to_vec()),
        ("churn-warning", FOLDING.to_vec()),
        ("notification", vec!["tiermesh_notification_deliveries_total", "tiermesh_notification_pending"]),
    ]);
    for (service, names) in expected {
        wait_for(&format!("the metrics of {service}"), PATIENCE, || {
            let found = told.collector.metrics(&format!("tiermesh-{service}"));
            names.iter().all(|name| found.contains(*name))
        });
        let text = told.mesh.process(service).get("/metrics");
        for name in names {
            assert!(text.contains(&format!("# TYPE {name} ")), "{service}: {name} is missing in\n{text}");
        }
    }
    let text = told.mesh.process("ingest").get("/metrics");
    let accepted = text.lines().find(|line| line.starts_with("tiermesh_ingest_events_total{")).unwrap();
    assert!(accepted.contains(r#"door="http""#) && accepted.contains(r#"result="accepted""#), "{accepted}");
    let last = text.lines().find(|line| line.starts_with("tiermesh_ingest_source_last_event")).unwrap();
    assert!(last.contains(r#"source="test""#), "{last}");
    let text = told.mesh.process("scoring").get("/metrics");
    let lag = format!(r#"tiermesh_processing_lag_records{{partition="{}",service="scoring"}}"#, PARTITIONS - 1);
    assert!(text.contains(&lag), "{lag} is missing in\n{text}");
}

const FOLDING: [&str; 7] = [
    "tiermesh_processing_records_total",
    "tiermesh_processing_outputs_total",
    "tiermesh_processing_fold_seconds",
    "tiermesh_processing_lag_records",
    "tiermesh_processing_save_timestamp_seconds",
    "tiermesh_processing_save_seconds",
    "tiermesh_processing_restarts_total",
];

#[test]
fn a_collector_that_is_away_is_told_of_once_and_hurts_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (port, away) = (free_port(), format!("http://127.0.0.1:{}", free_port()));
    let data = dir.path().join("data").display().to_string();
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["up", "--data", &data, "--listen", &listen, "--otlp", &away, "--trace-sample", "1"];
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let soon = [("OTEL_BSP_SCHEDULE_DELAY", "50"), ("OTEL_METRIC_EXPORT_INTERVAL", "50")];
    let environment = soon.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut process = Process::of_settings("up", dir.path(), &arguments, &environment, port);
    process.launch();
    process.wait_until_ready();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tiermesh_service_host::install_tls();
    let client = Client::new();
    for number in 0..20 {
        let event = first_order(&format!("c-{number}"));
        let traced = runtime.block_on(Told::post(&client, &process.url(), None, &[event]));
        assert!(traced.recorded);
        // Long enough for an export of its own.
        std::thread::sleep(Duration::from_millis(60));
    }
    wait_for("the log to tell that the collector is away", PATIENCE, || process.logged().contains("can't be reached"));
    process.stop();
    let logged = process.logged();
    let lines: Vec<&str> = logged.lines().filter(|line| line.to_lowercase().contains("opentelemetry")).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains(&away), "{}", lines[0]);
}
