//! `ingest`: how many events a second enter: each is in the log before its sender is answered.
//!
//! Senders on connections of their own send again as soon as they are answered: batches as lines, then single events.
//! They run on the same cores. On Kafka there is ingest alone; embedded, every service takes what was sent meanwhile.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde_json::Value;
use tiermesh_event_log::topics::CUSTOMER_EVENTS;

use crate::{
    Failure, Run,
    binary::tiermesh,
    bodies::{Template, scattered},
    http::Connection,
    machine::now_ms,
    mesh::{Backend, Mesh, held},
    results::{Results, Table, round},
};

/// How it is sent.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only on this.
    #[arg(long, value_enum)]
    on: Option<Backend>,
    /// Events in a batch.
    #[arg(long, default_value_t = 1_000)]
    batch: u64,
    /// Connections that send batches.
    #[arg(long, default_value_t = 4)]
    batch_connections: u64,
    /// Connections that send single events.
    #[arg(long, default_value_t = 64)]
    single_connections: u64,
    /// How long each contender is measured.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// How long it is sent to before that: a broker that was just started has to warm up.
    #[arg(long, default_value_t = 10)]
    warm_up: u64,
    /// Customers.
    #[arg(long, default_value_t = 200_000)]
    customers: u32,
}

const COLUMNS: [(&str, &str, usize); 7] = [
    ("events", "accepted events/s", 0),
    ("p50", "answered after p50, ms", 1),
    ("p99", "p99, ms", 1),
    ("mesh", "mesh, CPU µs/event", 1),
    ("servers", "servers, CPU µs/event", 1),
    ("generator", "generator, CPU µs/event", 1),
    ("cores", "cores used", 2),
];

/// Measures it.
///
/// # Errors
/// Events that aren't accepted, or aren't in the log although they were.
pub fn run(run: &Run, args: &Args) -> Result<Results, Failure> {
    let binary = tiermesh(run)?;
    let mut table = Table::new("Events over HTTP, in the log before the answer", COLUMNS);
    let backends = args.on.map_or(vec![Backend::Kafka, Backend::Embedded], |backend| vec![backend]);
    let seconds = Duration::from_secs(run.sized(args.seconds, 2));
    let warm_up = Duration::from_secs(run.sized(args.warm_up, 1));
    for _ in 0..run.rounds() {
        for backend in &backends {
            for (per_request, connections) in [(args.batch, args.batch_connections), (1, args.single_connections)] {
                let mut mesh = Mesh::start(*backend, &binary, &[])?;
                let what = if per_request > 1 { format!("batches of {per_request}") } else { "single".to_owned() };
                let name = format!("{}: {what}, {connections} connections", backend.name());
                let runtime = tokio::runtime::Runtime::new()?;
                let load = Load { per_request, connections, warm_up, seconds, customers: args.customers };
                runtime.block_on(measure(&mut table, &name, &mut mesh, load))?;
            }
        }
    }
    let mut results = run.results("ingest");
    let settings = [("customers", args.customers.into()), ("seconds", seconds.as_secs())];
    results.settings.extend(settings.map(|(name, value): (&str, u64)| (name.to_owned(), value.to_string())));
    results.tables.push(table);
    results.notes.push("Checked: the log holds every event whose sender was told that it is accepted.".to_owned());
    Ok(results)
}

#[derive(Debug, Clone, Copy)]
struct Load {
    per_request: u64,
    connections: u64,
    warm_up: Duration,
    seconds: Duration,
    customers: u32,
}

/// What all senders share.
struct Shared {
    template: Template,
    load: Load,
    next: AtomicU64,
    accepted: AtomicU64,
}

async fn measure(table: &mut Table, name: &str, mesh: &mut Mesh, load: Load) -> Result<(), Failure> {
    let (log, door) = (mesh.log().await?, mesh.door());
    let template = Template::new(load.per_request)?;
    let shared = Arc::new(Shared { template, load, next: AtomicU64::new(0), accepted: AtomicU64::new(0) });
    send_all(&shared, door, load.warm_up).await?;
    let held_before = held(&*log, CUSTOMER_EVENTS.name).await?;
    shared.accepted.store(0, Ordering::Relaxed);
    let (began, before) = (Instant::now(), mesh.cpu());
    let answered = send_all(&shared, door, load.seconds).await?;
    let (seconds, used) = (began.elapsed().as_secs_f64(), mesh.cpu().since(before));
    mesh.check()?;
    let accepted = shared.accepted.load(Ordering::Relaxed);
    let kept = held(&*log, CUSTOMER_EVENTS.name).await?.saturating_sub(held_before);
    if kept < accepted {
        return Err(format!("{name}: {accepted} events were accepted, and the log holds {kept}").into());
    }
    let of_event = |cpu: f64| cpu * 1e6 / accepted as f64;
    let figures = [
        ("events", accepted as f64 / seconds),
        ("p50", milliseconds(&answered, 0.5)),
        ("p99", milliseconds(&answered, 0.99)),
        ("mesh", of_event(used.mesh)),
        ("servers", of_event(used.servers)),
        ("generator", of_event(used.generator)),
        ("cores", (used.mesh + used.servers + used.generator) / seconds),
    ];
    table.add(name, round(figures), None)
}

/// Microseconds, up to a minute.
///
/// # Errors
/// Never: the bounds are right.
pub fn histogram() -> Result<Histogram<u64>, Failure> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// The time within which this share was done.
pub fn milliseconds(histogram: &Histogram<u64>, share: f64) -> f64 {
    histogram.value_at_quantile(share) as f64 / 1e3
}

/// Sends on all connections for so long; how long answers took.
async fn send_all(shared: &Arc<Shared>, door: SocketAddr, lasting: Duration) -> Result<Histogram<u64>, Failure> {
    let until = Instant::now() + lasting;
    let send = |_| tokio::spawn(send(Arc::clone(shared), door, until));
    let senders: Vec<_> = (0..shared.load.connections).map(send).collect();
    let mut answered = histogram()?;
    for sender in senders {
        answered.add(sender.await??)?;
    }
    Ok(answered)
}

async fn send(shared: Arc<Shared>, door: SocketAddr, until: Instant) -> Result<Histogram<u64>, Failure> {
    let Shared { template, load, next, accepted } = &*shared;
    let mut connection = Connection::open(door).await?;
    let mut answered = histogram()?;
    while Instant::now() < until {
        let first = next.fetch_add(load.per_request, Ordering::Relaxed);
        let body = template.body(first, now_ms(), |number| scattered(number, load.customers));
        let kind = if load.per_request > 1 { "application/x-ndjson" } else { "application/cloudevents+json" };
        let sent = Instant::now();
        let answer: Value = serde_json::from_slice(&connection.post("/v1/events", kind, body).await?)?;
        answered.saturating_record(sent.elapsed().as_micros() as u64);
        if answer["accepted"].as_u64() != Some(load.per_request) {
            return Err(format!("not all were accepted: {answer}").into());
        }
        accepted.fetch_add(load.per_request, Ordering::Relaxed);
    }
    Ok(answered)
}
