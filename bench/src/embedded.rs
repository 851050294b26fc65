//! `embedded`: a million orders through `tiermesh up`, from HTTP to the last effect of every service, and how long an empty
//! one takes to start.
//!
//! The last effect is there when scoring and churn-warning have taken all that stands in the topic they fold. What it leads
//! to, messages and the rows that the page shows, is there when each service has taken all that stands in the topics it
//! reads, and nothing new came of it. Then every tier is recomputed from the log by the plain batch (`tiermesh verify`).

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tiermesh_event_log::{
    EventLog,
    topics::{CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS, NOTIFICATION_DELIVERIES, TIER_CHANGES},
};

use crate::{
    Failure, Run,
    binary::tiermesh,
    bodies::{Template, scattered},
    http::Connection,
    machine::now_ms,
    mesh::{Backend, Mesh, held},
    processes::resident_bytes,
    results::{Results, Table, round},
};

/// Sizes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Orders.
    #[arg(long, default_value_t = 1_000_000)]
    orders: u64,
    /// Customers.
    #[arg(long, default_value_t = 200_000)]
    customers: u32,
    /// Orders in a request.
    #[arg(long, default_value_t = 1_000)]
    batch: u64,
    /// Connections.
    #[arg(long, default_value_t = 4)]
    connections: u64,
    /// Longer than this, in seconds, it may not take.
    #[arg(long, default_value_t = 400)]
    limit: u64,
}

const COLUMNS: [(&str, &str, usize); 8] = [
    ("start", "start to ready, s", 2),
    ("accepted", "all accepted, s", 1),
    ("effects", "last effect, s", 1),
    ("shown", "told and shown, s", 1),
    ("rate", "orders/s to the last effect", 0),
    ("cpu", "mesh, CPU µs/order", 1),
    ("changes", "tier changes", 0),
    ("memory", "memory, MiB", 0),
];

/// How many of [`READERS`] fold.
const FOLDS: usize = 2;
/// Who reads which topics, and the metric that counts what it has taken.
const READERS: [Reader; 4] = [
    ("tiermesh_processing_records_total", r#"service="scoring""#, &[CUSTOMER_EVENTS.name]),
    ("tiermesh_processing_records_total", r#"service="churn-warning""#, &[CUSTOMER_EVENTS.name]),
    ("tiermesh_consumer_records_total", r#"consumer="notification""#, &[TIER_CHANGES.name, CHURN_SIGNALS.name]),
    (
        "tiermesh_consumer_records_total",
        r#"consumer="console""#,
        &[
            CUSTOMER_EVENTS.name,
            CONTROL.name,
            TIER_CHANGES.name,
            CHURN_SIGNALS.name,
            NOTIFICATION_DELIVERIES.name,
            DEAD_LETTERS.name,
        ],
    ),
];

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Measures it.
///
/// # Errors
/// Orders that aren't accepted, effects that don't come, tiers that are wrong.
pub fn run(run: &Run, args: &Args) -> Result<Results, Failure> {
    let binary = tiermesh(run)?;
    let mut table = Table::new("`tiermesh up`, from HTTP to the last effect", COLUMNS);
    let args = Args { orders: run.sized(args.orders, 20_000), ..args.clone() };
    for _ in 0..run.rounds() {
        let began = Instant::now();
        let mesh = Mesh::start(Backend::Embedded, &binary, &[])?;
        let start = began.elapsed().as_secs_f64();
        let runtime = tokio::runtime::Runtime::new()?;
        let mut figures = runtime.block_on(measure(&mesh, &args))?;
        figures.insert("start".to_owned(), start);
        let directory = mesh.stop()?;
        let verified = Command::new(&binary).args(["verify", "--data"]).arg(directory.path().join("data")).output()?;
        if !verified.status.success() {
            return Err(format!("tiers differ: {}", String::from_utf8_lossy(&verified.stdout)).into());
        }
        table.add("up", figures, None)?;
    }
    let mut results = run.results("embedded");
    let settings = [("orders", args.orders), ("customers", args.customers.into()), ("batch", args.batch)];
    results.settings.extend(settings.map(|(name, value)| (name.to_owned(), value.to_string())));
    results.tables.push(table);
    results.notes.push("Checked: every tier, recomputed from the log by the plain batch.".to_owned());
    Ok(results)
}

async fn measure(mesh: &Mesh, args: &Args) -> Result<crate::results::Round, Failure> {
    let log = mesh.log().await?;
    let (began, before) = (Instant::now(), mesh.cpu());
    let (template, next) = (Arc::new(Template::new(args.batch)?), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..args.connections)
        .map(|_| {
            let (template, next, args, door) = (Arc::clone(&template), Arc::clone(&next), args.clone(), mesh.door());
            tokio::spawn(async move {
                let mut connection = Connection::open(door).await?;
                loop {
                    let first = next.fetch_add(template.count(), Ordering::Relaxed);
                    if first >= args.orders {
                        return Ok::<(), Failure>(());
                    }
                    let body = template.body(first, now_ms(), |number| scattered(number, args.customers));
                    connection.post("/v1/events", "application/x-ndjson", body).await?;
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await??;
    }
    let accepted = began.elapsed().as_secs_f64();
    let (mut stood, mut effects) = (Vec::new(), None);
    let (effects, shown) = loop {
        let looked = began.elapsed().as_secs_f64();
        if effects.is_none() && taken_up(mesh, &*log, &READERS[..FOLDS]).await?.is_some() {
            effects = Some(looked);
        }
        // Nobody is done before those who fold: the mesh isn't asked for more than has to be.
        let stands = if effects.is_some() { taken_up(mesh, &*log, &READERS).await? } else { None };
        if stands.is_some() && stands == stood.pop() {
            break (effects.unwrap_or(looked), looked);
        }
        stood = stands.into_iter().collect();
        if looked > args.limit as f64 {
            return Err(
                format!("the last effect was not there after {looked:.0} s; {}", mesh.first().process.told()).into()
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let used = mesh.cpu().since(before);
    let changes = held(&*log, TIER_CHANGES.name).await?;
    Ok(round([
        ("accepted", accepted),
        ("effects", effects),
        ("shown", shown),
        ("rate", args.orders as f64 / effects),
        ("cpu", used.mesh * 1e6 / args.orders as f64),
        ("changes", changes as f64),
        ("memory", resident_bytes(mesh.first().process.id())? as f64 / 1024.0 / 1024.0),
    ]))
}

/// Somebody who reads topics: its metric and label, and the topics.
type Reader = (&'static str, &'static str, &'static [&'static str]);

/// What the topics hold, if each of these has taken all of it.
async fn taken_up(mesh: &Mesh, log: &dyn EventLog, readers: &[Reader]) -> Result<Option<Vec<u64>>, Failure> {
    let mut holds = Vec::new();
    for (metric, label, topics) in readers {
        let mut wanted = 0;
        for topic in *topics {
            wanted += held(log, topic).await?;
        }
        holds.push((metric, label, wanted));
    }
    let first = mesh.first();
    let all = tokio::task::block_in_place(|| {
        holds.iter().all(|(metric, label, wanted)| first.metric(metric, label) >= *wanted as f64)
    });
    Ok(all.then(|| holds.iter().map(|(_, _, wanted)| *wanted).collect()))
}
