//! `tiermesh verify`: every tier recomputed by the plain batch, against what scoring last said of it.
//!
//! A partition is looked at up to the last record whose consequences are complete: where a boundary was reported whose
//! cut-points haven't come yet, relative policies are compared as of just before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

use comfy_table::Table;
use tiermesh_batch::{CutPointsFrom, standings, waits_for_review};
use tiermesh_domain::{
    policy::{self, Document, Method, Policy},
    scoring::CUT_POINT_INTERVAL_MS,
    time::Millis,
};
use tiermesh_event_log::{
    EventLog,
    topics::{CUSTOMER_EVENTS, TIER_CHANGES},
};
use tiermesh_proto::v1::{CustomerEvent, Fact, TierChange, control::Control, customer_event::Event};

use crate::{
    cli::CommandError,
    connect::SourceArgs,
    reading::{each_output, each_record},
};

/// Recomputes every tier by a plain batch over the log, and lists what differs from what scoring said.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh verify --data tiermesh-data")]
pub struct Args {
    #[command(flatten)]
    source: SourceArgs,
    /// While something differs, looks again for so many seconds: scoring may not be through with the log's end.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    settle: u64,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// A tier that differs.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Difference {
    customer: String,
    policy: String,
    recomputed: Option<String>,
    said: Option<String>,
}

#[derive(Debug, Default)]
struct Verdict {
    facts: usize,
    compared: usize,
    differences: Vec<Difference>,
}

/// Runs it: 0 if nothing differs, 1 otherwise.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let log = args.source.open().await?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(args.settle);
    let verdict = loop {
        let verdict = verify(&*log).await?;
        if verdict.differences.is_empty() || tokio::time::Instant::now() >= deadline {
            break verdict;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let differ = verdict.differences.len();
    if args.json {
        let summary = serde_json::json!({
            "facts": verdict.facts, "compared": verdict.compared, "differences": verdict.differences,
        });
        println!("{summary}");
    } else {
        println!("{} facts, {} tiers recomputed, {differ} differ", verdict.facts, verdict.compared);
        if differ > 0 {
            let mut table = Table::new();
            table.set_header(["customer", "policy", "recomputed", "said"]);
            for difference in verdict.differences.iter().take(50) {
                let tier = |tier: &Option<String>| tier.clone().unwrap_or_else(|| "none".to_owned());
                let Difference { customer, policy, recomputed, said } = difference;
                table.add_row([customer.clone(), policy.clone(), tier(recomputed), tier(said)]);
            }
            println!("{table}");
        }
    }
    Ok(ExitCode::from(u8::from(differ > 0)))
}

/// One partition of `customer.events`, as far as it matters here.
#[derive(Debug, Default)]
struct PartitionLog {
    events: Vec<(u64, CustomerEvent)>,
}

/// A point in a partition: everything below `offset`, at the tick `tick`.
#[derive(Debug, Clone, Copy)]
struct Point {
    offset: u64,
    tick: Option<Millis>,
}

impl PartitionLog {
    fn facts(&self, below: u64) -> impl Iterator<Item = &Fact> {
        self.events.iter().filter(move |(offset, _)| *offset < below).filter_map(|(_, event)| match &event.event {
            Some(Event::Fact(fact)) => Some(fact),
            _ => None,
        })
    }

    fn controls(&self) -> impl Iterator<Item = (u64, &Control)> {
        let mut last = None;
        self.events.iter().filter_map(move |(offset, event)| {
            let Some(Event::Control(copy)) = &event.event else { return None };
            // As in the fold: a control record sent again changes nothing.
            if last.is_some_and(|last| copy.number <= last) {
                return None;
            }
            last = Some(copy.number);
            copy.control.as_ref().and_then(|control| control.control.as_ref()).map(|control| (*offset, control))
        })
    }

    /// Ticks that moved time, with the boundary that each reports to relative policies.
    fn ticks(&self) -> Vec<(u64, Millis, Millis)> {
        let live = self.controls().find(|(_, control)| matches!(control, Control::Live(_))).map(|(offset, _)| offset);
        let mut ticks: Vec<(u64, Millis, Millis)> = Vec::new();
        for (offset, event) in &self.events {
            let Some(Event::Tick(tick)) = &event.event else { continue };
            if ticks.last().is_some_and(|(_, time, _)| tick.time_ms <= *time) {
                continue;
            }
            let grid = tick.time_ms.div_euclid(CUT_POINT_INTERVAL_MS) * CUT_POINT_INTERVAL_MS;
            let boundary = if live.is_some_and(|live| *offset > live) { grid } else { tick.time_ms };
            ticks.push((*offset, tick.time_ms, boundary));
        }
        ticks
    }

    /// The boundaries of the cut-points that a policy got here.
    fn cut_points(&self, policy: &Policy) -> BTreeSet<Millis> {
        let mut boundaries = BTreeSet::new();
        for (_, control) in self.controls() {
            if let Control::CutPoints(cut_points) = control
                && cut_points.policy == policy.name
                && cut_points.version == policy.version
            {
                boundaries.insert(cut_points.as_of_ms);
            }
        }
        boundaries
    }

    /// Where the partition stands for a policy whose cut-points are as of `boundary`: before the next boundary.
    fn point(&self, boundary: Option<Millis>) -> Point {
        let ticks = self.ticks();
        let next = boundary.and_then(|boundary| ticks.iter().find(|(_, _, reported)| *reported > boundary));
        let offset = next.map_or(u64::MAX, |(offset, ..)| *offset);
        let tick = ticks.iter().rev().find(|(at, ..)| *at < offset).map(|(_, time, _)| *time);
        Point { offset, tick }
    }
}

async fn verify(log: &dyn EventLog) -> Result<Verdict, CommandError> {
    let partitions = log.partitions(CUSTOMER_EVENTS.name).await?;
    let mut logs: Vec<PartitionLog> = Vec::new();
    let mut said: Vec<Vec<TierChange>> = Vec::new();
    // Changes first: then the log holds at least what they rest on, and often more.
    for partition in 0..partitions {
        let mut changes = Vec::new();
        each_output(log, "scoring", TIER_CHANGES.name, partition, |record| {
            changes.push(TIER_CHANGES.decode(&record)?);
            Ok(())
        })
        .await?;
        said.push(changes);
    }
    for partition in 0..partitions {
        let mut read = PartitionLog::default();
        each_record(log, CUSTOMER_EVENTS.name, partition, |record| {
            read.events.push((record.offset, CUSTOMER_EVENTS.decode(&record)?));
            Ok(())
        })
        .await?;
        logs.push(read);
    }
    let mut verdict = Verdict { facts: logs.iter().map(|log| log.facts(u64::MAX).count()).sum(), ..Verdict::default() };
    for policy in policies(&logs)? {
        compare(&policy, &logs, &said, &mut verdict);
    }
    Ok(verdict)
}

/// The policies in force at the end, in every partition.
fn policies(logs: &[PartitionLog]) -> Result<Vec<Policy>, CommandError> {
    let mut policies: BTreeMap<String, Policy> = BTreeMap::new();
    for (_, control) in logs.iter().flat_map(PartitionLog::controls) {
        if let Control::PolicyActivated(activated) = control
            && let Document::Tiers(policy) = policy::parse(&activated.text)?
        {
            let newer = policies.get(&policy.name).is_none_or(|known| policy.version > known.version);
            if newer {
                policies.insert(policy.name.clone(), *policy);
            }
        }
    }
    Ok(policies.into_values().collect())
}

fn compare(policy: &Policy, logs: &[PartitionLog], said: &[Vec<TierChange>], verdict: &mut Verdict) {
    let relative = matches!(policy.method, Method::Relative(_));
    // Cut-points that every partition got; before the first there is nothing to compare a relative policy by.
    let mut common: Option<BTreeSet<Millis>> = None;
    for log in logs {
        let boundaries = log.cut_points(policy);
        common = Some(match common {
            None => boundaries,
            Some(common) => common.intersection(&boundaries).copied().collect(),
        });
    }
    let boundary = common.and_then(|common| common.last().copied()).filter(|_| relative);
    if relative && boundary.is_none() {
        return;
    }
    let cut_facts: Vec<Fact> = boundary.map_or_else(Vec::new, |boundary| {
        let reported = |log: &PartitionLog| {
            log.ticks()
                .into_iter()
                .find(|(_, _, reported)| *reported >= boundary)
                .map_or(u64::MAX, |(offset, ..)| offset)
        };
        logs.iter().flat_map(|log| log.facts(reported(log)).cloned()).collect()
    });
    for (log, changes) in logs.iter().zip(said) {
        let point = log.point(boundary);
        let facts: Vec<Fact> = log.facts(point.offset).cloned().collect();
        let cut_points = boundary.map(|boundary| CutPointsFrom { facts: &cut_facts, boundary });
        let recomputed = standings(&facts, point.tick, policy, cut_points);
        let mut last: BTreeMap<&str, &str> = BTreeMap::new();
        for change in changes.iter().filter(|change| change.policy == policy.name) {
            if change.origin.as_ref().is_some_and(|origin| origin.offset < point.offset) {
                last.insert(&change.customer, &change.to);
            }
        }
        verdict.compared += recomputed.len();
        let customers: BTreeSet<&str> = recomputed.keys().map(String::as_str).chain(last.keys().copied()).collect();
        for customer in customers {
            let recomputed = recomputed.get(customer).map(|standing| standing.tier.clone());
            let said = last.get(customer).map(|tier| (*tier).to_owned());
            // Under review the values alone don't decide: what stands may be a tier that is left at the review only.
            let waits = matches!((&said, &recomputed), (Some(held), Some(now)) if waits_for_review(policy, held, now));
            if recomputed != said && !waits {
                let (customer, policy) = (customer.to_owned(), policy.name.clone());
                verdict.differences.push(Difference { customer, policy, recomputed, said });
            }
        }
    }
}
