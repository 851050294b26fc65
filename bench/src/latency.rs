//! `latency`: from an order to the tier change that it leads to, while orders keep coming at a steady pace.
//!
//! The loop is open: each request has its time, whether or not those before it were answered, and what it leads to is
//! measured from that time on. Each order is the first of its customer, so that it leads to a first tier under the score
//! card: every order counts. A consumer waits at the ends of the partitions of `tier.changes`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tiermesh_event_log::{Assignment, EventLog, GroupEvent, PartitionReader, topics::TIER_CHANGES};
use tokio::sync::mpsc;

use crate::{
    Failure, Run,
    binary::tiermesh,
    bodies::Template,
    history::POLICIES,
    http::Connection,
    ingest::{histogram, milliseconds},
    machine::now_ms,
    mesh::{Backend, Mesh, PARTITIONS},
    results::{Results, Table, round},
};

/// The pace.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only on this.
    #[arg(long, value_enum)]
    on: Option<Backend>,
    /// Orders a second.
    #[arg(long, default_value_t = 5_000)]
    rate: u64,
    /// Orders in a request.
    #[arg(long, default_value_t = 10)]
    per_request: u64,
    /// Connections that requests take turns on.
    #[arg(long, default_value_t = 128)]
    connections: u64,
    /// How long it is measured.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How long orders come before that: a broker that was just started compiles its own code for half a minute.
    #[arg(long, default_value_t = 30)]
    warm_up: u64,
}

const COLUMNS: [(&str, &str, usize); 8] = [
    ("p50", "p50, ms", 1),
    ("p99", "p99, ms", 1),
    ("p99.9", "p99.9, ms", 1),
    ("most", "most, ms", 1),
    ("answered50", "answered after p50, ms", 1),
    ("answered99", "p99, ms", 1),
    ("rate", "orders/s", 0),
    ("cores", "cores used", 2),
];

/// Longer than that nothing is waited for at the end.
const LAST_WITHIN: Duration = Duration::from_secs(30);

/// Measures it.
///
/// # Errors
/// Requests that fail, tier changes that don't come.
pub fn run(run: &Run, args: &Args) -> Result<Results, Failure> {
    let binary = tiermesh(run)?;
    let title = "From the time of sending to the tier change readable on the topic";
    let mut table = Table::new(title, COLUMNS);
    let backends = args.on.map_or(vec![Backend::Kafka, Backend::Embedded], |backend| vec![backend]);
    let args = &Args { seconds: run.sized(args.seconds, 5), warm_up: run.sized(args.warm_up, 5), ..args.clone() };
    for _ in 0..run.rounds() {
        for backend in &backends {
            let mut mesh = Mesh::start(*backend, &binary, &["scoring"])?;
            let runtime = tokio::runtime::Runtime::new()?;
            let measured = runtime.block_on(measure(&mut mesh, *backend, args))?;
            table.add(backend.name(), measured, None)?;
        }
    }
    let mut results = run.results("latency");
    let settings =
        [("rate", args.rate), ("per request", args.per_request), ("warm-up", args.warm_up), ("seconds", args.seconds)];
    results.settings.extend(settings.map(|(name, value)| (name.to_owned(), value.to_string())));
    results.tables.push(table);
    results.notes.push("Checked: the tier change of every order came.".to_owned());
    Ok(results)
}

/// When what was to be done.
#[derive(Clone, Copy)]
struct Schedule {
    began: Instant,
    rate: u64,
    per_request: u64,
    /// Orders before the first that is measured, and all.
    warm_up: u64,
    orders: u64,
}

impl Schedule {
    /// When the request was due that holds this order.
    fn due(&self, order: u64) -> Instant {
        let first = order - order % self.per_request;
        self.began + Duration::from_nanos(first * 1_000_000_000 / self.rate)
    }

    /// Microseconds since then.
    fn since(&self, order: u64) -> u64 {
        self.due(order).elapsed().as_micros() as u64
    }
}

async fn measure(mesh: &mut Mesh, backend: Backend, args: &Args) -> Result<crate::results::Round, Failure> {
    if backend == Backend::Kafka {
        let mut connection = Connection::open(mesh.door()).await?;
        connection.post("/v1/policies", "application/toml", POLICIES[0].into()).await?;
    }
    let log = mesh.log().await?;
    let readers = readers(&*log, backend).await?;
    let mut connections = Vec::new();
    for _ in 0..args.connections {
        connections.push(Connection::open(mesh.door()).await?);
    }
    let whole = |orders: u64| orders - orders % args.per_request;
    let schedule = Schedule {
        began: Instant::now() + Duration::from_secs(1),
        rate: args.rate,
        per_request: args.per_request,
        warm_up: whole(args.warm_up * args.rate),
        orders: whole((args.warm_up + args.seconds) * args.rate),
    };
    let (told, mut all_told) = mpsc::unbounded_channel();
    let changes = Arc::new(Mutex::new(histogram()?));
    for reader in readers {
        tokio::spawn(listen(reader, schedule, Arc::clone(&changes), told.clone()));
    }
    drop(told);
    let answered = Arc::new(Mutex::new(histogram()?));
    let senders = senders(connections, schedule, &answered)?;
    let warm = schedule.due(schedule.warm_up);
    tokio::time::sleep_until(warm.into()).await;
    let before = mesh.cpu();
    let mut left = schedule.orders;
    let last = schedule.due(schedule.orders) + LAST_WITHIN;
    while left > 0 {
        let waiting = tokio::time::timeout_at(last.into(), all_told.recv()).await;
        match waiting.map_err(|_| format!("{left} tier changes did not come"))? {
            Some(Ok(orders)) => left = left.saturating_sub(orders),
            Some(Err(error)) => return Err(error),
            None => return Err("the readers have stopped".into()),
        }
    }
    for sender in senders {
        sender.await??;
    }
    let seconds = warm.elapsed().as_secs_f64();
    let used = mesh.cpu().since(before);
    mesh.check()?;
    let (changes, answered) = (locked(&changes), locked(&answered));
    Ok(round([
        ("p50", milliseconds(&changes, 0.5)),
        ("p99", milliseconds(&changes, 0.99)),
        ("p99.9", milliseconds(&changes, 0.999)),
        ("most", changes.max() as f64 / 1e3),
        ("answered50", milliseconds(&answered, 0.5)),
        ("answered99", milliseconds(&answered, 0.99)),
        ("rate", (schedule.orders - schedule.warm_up) as f64 / seconds),
        ("cores", (used.mesh + used.servers + used.generator) / seconds),
    ]))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Readers at the ends of all partitions of `tier.changes`: on Kafka of one consumer, as a team downstream has it.
async fn readers(log: &dyn EventLog, backend: Backend) -> Result<Vec<Box<dyn PartitionReader>>, Failure> {
    let mut readers = Vec::new();
    match backend {
        Backend::Embedded => {
            for partition in 0..PARTITIONS {
                let end = log.extent(TIER_CHANGES.name, partition).await?.end;
                readers.push(log.read(TIER_CHANGES.name, partition, end).await?);
            }
        }
        Backend::Kafka => {
            let mut member = log.join("bench.latency", TIER_CHANGES.name).await?;
            while readers.len() < PARTITIONS as usize {
                let GroupEvent::Assigned(partitions) = member.next().await? else {
                    return Err("the reader lost its partitions".into());
                };
                for Assignment { partition, starter } in partitions {
                    readers.push(starter.start(log.extent(TIER_CHANGES.name, partition).await?.end).await?);
                }
            }
            // It stays a member for as long as its partitions are read.
            tokio::spawn(async move { while member.next().await.is_ok() {} });
        }
    }
    Ok(readers)
}

/// Notes when the first change of each customer is there; tells how many more were.
async fn listen(
    mut reader: Box<dyn PartitionReader>,
    schedule: Schedule,
    changes: Arc<Mutex<Histogram<u64>>>,
    told: mpsc::UnboundedSender<Result<u64, Failure>>,
) {
    let mut seen = vec![false; schedule.orders as usize];
    loop {
        let records = match reader.next(1_000).await {
            Ok(records) => records,
            Err(error) => return drop(told.send(Err(error.into()))),
        };
        let (mut changes, mut new) = (locked(&changes), 0);
        for record in records {
            // `C0000042`
            let digits = record.key.get(1..).and_then(|digits| std::str::from_utf8(digits).ok());
            let Some(order) = digits.and_then(|digits| digits.parse::<u64>().ok()) else { continue };
            let Some(seen) = seen.get_mut(order as usize).filter(|seen| !**seen) else { continue };
            *seen = true;
            new += 1;
            if order >= schedule.warm_up {
                changes.saturating_record(schedule.since(order));
            }
        }
        if new > 0 && told.send(Ok(new)).is_err() {
            return;
        }
    }
}

type Sender = tokio::task::JoinHandle<Result<(), Failure>>;

/// Sends on these connections. A thread hands each its requests when they are due: tokio's timers are too coarse for that.
fn senders(
    connections: Vec<Connection>,
    schedule: Schedule,
    answered: &Arc<Mutex<Histogram<u64>>>,
) -> Result<Vec<Sender>, Failure> {
    let template = Arc::new(Template::new(schedule.per_request)?);
    let (mut queues, mut senders) = (Vec::new(), Vec::new());
    for mut connection in connections {
        let (queue, mut due) = mpsc::unbounded_channel::<u64>();
        let (template, answered) = (Arc::clone(&template), Arc::clone(answered));
        queues.push(queue);
        senders.push(tokio::spawn(async move {
            while let Some(first) = due.recv().await {
                let body = template.body(first, now_ms(), |number| number as u32);
                let kind =
                    if schedule.per_request > 1 { "application/x-ndjson" } else { "application/cloudevents+json" };
                connection.post("/v1/events", kind, body).await?;
                if first >= schedule.warm_up {
                    locked(&answered).saturating_record(schedule.since(first));
                }
            }
            Ok(())
        }));
    }
    std::thread::spawn(move || {
        for first in (0..schedule.orders).step_by(schedule.per_request as usize) {
            std::thread::sleep(schedule.due(first).saturating_duration_since(Instant::now()));
            let queue = (first / schedule.per_request) as usize % queues.len();
            // A sender that has failed says so.
            let _ = queues[queue].send(first);
        }
    });
    Ok(senders)
}
