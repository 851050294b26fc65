//! The demo: a year of real invoices, moved in time so that it ends now, loaded as anybody loads history.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    time::{Duration, Instant},
};

use clap::Parser;
use comfy_table::Table;
use tiermesh_domain::time::{format_instant, parse_instant};
use tiermesh_event_log::{
    LogError,
    topics::{CHURN_SIGNALS, CUSTOMER_EVENTS, TIER_CHANGES},
};

use super::mesh::Mesh;
use crate::{cli::CommandError, reading::each_output, send};

/// Derived from Online Retail II (UCI, CC BY 4.0): see data/README.md.
const INVOICES: &[u8] = include_bytes!("../../../../data/online_retail_2009_2010.csv.gz");

/// How long the services may take to be through with the history.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Parser)]
struct SendCommand {
    #[command(flatten)]
    args: send::Args,
}

/// Loads the invoices, waits until the services are through with them, and tells what they came to.
pub async fn load(mesh: &Mesh, url: &str, json: bool) -> Result<(), CommandError> {
    let began = Instant::now();
    let (file, now) = moved_to_now()?;
    let path = file.path().display().to_string();
    let now = format_instant(now);
    let command = ["send", "--history", "--mapping", "retail", "--until", &now, "--to", url, "--quiet", &path];
    let sent = SendCommand::try_parse_from(command)?;
    send::send(&sent.args).await?;
    folded(mesh).await?;
    let summary = Summary::read(mesh).await?;
    if json {
        summary.print_json(began.elapsed())
    } else {
        summary.print(began.elapsed())
    }
    Ok(())
}

/// The invoices with their instants moved, in a temporary file, and the instant that they were moved to.
fn moved_to_now() -> Result<(tempfile::NamedTempFile, i64), CommandError> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(INVOICES).read_to_string(&mut text)?;
    let instant_of = |line: &str| line.split(',').nth(2).and_then(parse_instant);
    let last = text.lines().skip(1).filter_map(instant_of).max().unwrap_or_default();
    let now = tiermesh_ingest::Clock::system().now_ms();
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile()?;
    for (at, line) in text.lines().enumerate() {
        match (at, instant_of(line)) {
            (0, _) | (_, None) => writeln!(file, "{line}")?,
            (_, Some(instant)) => {
                let cells: Vec<&str> = line.split(',').collect();
                let moved = format_instant(instant + (now - last));
                writeln!(file, "{},{},{moved},{}", cells[0], cells[1], cells[3..].join(","))?;
            }
        }
    }
    file.flush()?;
    Ok((file, now))
}

/// Waits until scoring and churn-warning have saved everything that the log holds now: then all of its outputs stand.
async fn folded(mesh: &Mesh) -> Result<(), CommandError> {
    let partitions = mesh.log.partitions(CUSTOMER_EVENTS.name).await?;
    let mut ends = Vec::new();
    for partition in 0..partitions {
        ends.push(mesh.log.extent(CUSTOMER_EVENTS.name, partition).await?.end);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let positions = mesh.store.positions().await?;
        let through = |service: &str| {
            ends.iter().zip(0_u32..).all(|(end, partition)| {
                positions.iter().any(|standing| {
                    standing.processor == service
                        && standing.partition == partition
                        && standing.position.next_offset >= *end
                })
            })
        };
        if through("scoring") && through("churn-warning") {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("the services are not through with the history; the log lines above say why".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the history came to.
#[derive(Default)]
struct Summary {
    customers: BTreeSet<String>,
    changes: usize,
    tiers: BTreeMap<(String, String), usize>,
    open_signals: BTreeMap<String, usize>,
}

impl Summary {
    async fn read(mesh: &Mesh) -> Result<Self, LogError> {
        let mut summary = Self::default();
        let mut tiers: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut open: BTreeMap<(String, String), bool> = BTreeMap::new();
        for partition in 0..mesh.log.partitions(TIER_CHANGES.name).await? {
            each_output(&*mesh.log, "scoring", TIER_CHANGES.name, partition, |record| {
                let change = TIER_CHANGES.decode(&record)?;
                summary.changes += 1;
                summary.customers.insert(change.customer.clone());
                tiers.insert((change.policy, change.customer), change.to);
                Ok(())
            })
            .await?;
            each_output(&*mesh.log, "churn-warning", CHURN_SIGNALS.name, partition, |record| {
                let signal = CHURN_SIGNALS.decode(&record)?;
                let is_open = signal.state == "raised" || signal.state == "updated";
                open.insert((signal.detector, signal.customer), is_open);
                Ok(())
            })
            .await?;
        }
        for ((policy, _), tier) in tiers {
            *summary.tiers.entry((policy, tier)).or_default() += 1;
        }
        for ((detector, _), _) in open.into_iter().filter(|(_, is_open)| *is_open) {
            *summary.open_signals.entry(detector).or_default() += 1;
        }
        Ok(summary)
    }

    fn print(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        println!(
            "A year of a shop went through in {seconds:.1} s: {} customers, {} tier changes.",
            self.customers.len(),
            self.changes
        );
        let mut table = Table::new();
        table.set_header(["policy", "customers by tier"]);
        let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((policy, tier), count) in &self.tiers {
            rows.entry(policy).or_default().push(format!("{tier} {count}"));
        }
        for (policy, tiers) in rows {
            table.add_row([policy.to_owned(), tiers.join(", ")]);
        }
        let signals: Vec<String> =
            self.open_signals.iter().map(|(detector, count)| format!("{detector} {count}")).collect();
        table.add_row(["open loss signals".to_owned(), signals.join(", ")]);
        println!("{table}\nThe mesh is live now: what you send counts at once. Ctrl-C ends it.");
    }

    fn print_json(&self, took: Duration) {
        let mut tiers: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for ((policy, tier), count) in &self.tiers {
            tiers.entry(policy).or_default().insert(tier, *count);
        }
        println!(
            "{}",
            serde_json::json!({
                "seconds": took.as_secs_f64(), "customers": self.customers.len(), "changes": self.changes,
                "tiers": tiers, "open_signals": self.open_signals,
            })
        );
    }
}
