//! What stands in the log: topics, policies, whether the mesh is live, time, sources, money that doesn't count.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tiermesh_domain::{
    policy::{self, Document, Method, Policy},
    time::{Millis, format_instant},
};
use tiermesh_event_log::{
    EventLog, LogError,
    topics::{CONTROL, CUSTOMER_EVENTS, all},
};
use tiermesh_proto::v1::{control::Control, customer_event::Event};

use super::{Args, Finding, logic, money};
use crate::{cli::CommandError, reading::each_record};

/// A tick comes every 10 s.
const LATE_TICK_MS: Millis = 30_000;
/// One a second.
const LOOKS_FOR_THE_FIRST_TICK: u32 = 15;
/// Cut-points come every minute.
const LATE_CUT_POINTS_MS: Millis = 300_000;
/// Records looked at first for the last tick.
const TAIL: u64 = 256;

/// What `control` says at its end.
#[derive(Default)]
struct InForce {
    live: bool,
    logic: u32,
    policies: BTreeMap<String, Policy>,
    detectors: BTreeMap<String, u32>,
    quiet: BTreeMap<String, Millis>,
    cut_points: BTreeMap<String, Millis>,
}

pub(super) async fn findings(log: &dyn EventLog, args: &Args) -> Result<Vec<Finding>, CommandError> {
    let partitions = log.partitions(CUSTOMER_EVENTS.name).await?;
    let mut findings = topics(log, partitions).await?;
    let in_force = InForce::read(log).await?;
    findings.push(logic::of_this_release(in_force.logic));
    findings.extend(logic::of_instances(args, in_force.logic).await);
    findings.push(policies(&in_force));
    let mut ticks = last_ticks(log, partitions).await?;
    // A mesh that went live a moment ago isn't ill.
    for _ in 0..LOOKS_FOR_THE_FIRST_TICK {
        if !in_force.live || ticks.iter().any(Option::is_some) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        ticks = last_ticks(log, partitions).await?;
    }
    findings.extend(time(&in_force, &ticks));
    for (source, since) in &in_force.quiet {
        findings.push(Finding::wrong(
            "sources",
            format!("{source} has been quiet since {}", format_instant(*since)),
            "look after that feed; signals that rest on absence are held back for its customers until it sends again",
        ));
    }
    if in_force.quiet.is_empty() {
        findings.push(Finding::well("sources", "none has gone quiet"));
    }
    if !args.quick {
        findings.extend(money::findings(log, in_force.policies.values()).await?);
    }
    Ok(findings)
}

async fn topics(log: &dyn EventLog, partitions: u32) -> Result<Vec<Finding>, LogError> {
    let topics = all(partitions);
    let differences = log.check_topics(&topics).await?;
    if differences.is_empty() {
        let what = format!("{} topics, {partitions} partitions, all as they should be", topics.len());
        return Ok(vec![Finding::well("log", what)]);
    }
    let finding = |difference: &tiermesh_event_log::TopicDifference| {
        let (topic, what) = (&difference.topic, &difference.what);
        let said = format!("topic `{topic}`: {what} is {}, should be {}", difference.found, difference.expected);
        let remedy = match what.as_str() {
            "missing" => "`tiermesh topics --create` makes it; `tiermesh up` does by itself",
            _ => "set it with Kafka's own tools, or see `tiermesh topics --help`",
        };
        Finding::wrong("log", said, remedy)
    };
    Ok(differences.iter().map(finding).collect())
}

impl InForce {
    async fn read(log: &dyn EventLog) -> Result<Self, LogError> {
        let mut found = Self::default();
        each_record(log, CONTROL.name, 0, |record| {
            if let Some(control) = CONTROL.decode(&record)?.control {
                found.take(control);
            }
            Ok(())
        })
        .await?;
        Ok(found)
    }

    fn take(&mut self, control: Control) {
        match control {
            Control::PolicyActivated(activated) => {
                if let Ok(Document::Tiers(policy)) = policy::parse(&activated.text) {
                    self.policies.insert(policy.name.clone(), *policy);
                }
            }
            Control::DetectorsActivated(activated) => {
                if let Ok(Document::Detectors(settings)) = policy::parse(&activated.text) {
                    self.detectors.insert(settings.name, settings.version);
                }
            }
            Control::CutPoints(cut_points) => {
                self.cut_points.insert(cut_points.policy, cut_points.as_of_ms);
            }
            Control::Live(_) => self.live = true,
            Control::SourceQuiet(quiet) => {
                self.quiet.insert(quiet.source, quiet.last_seen_ms);
            }
            Control::SourceBack(back) => {
                self.quiet.remove(&back.source);
            }
            Control::LogicActivated(activated) => self.logic = self.logic.max(activated.logic),
        }
    }
}

fn policies(in_force: &InForce) -> Finding {
    let named = in_force.policies.values().map(|policy| format!("{} version {}", policy.name, policy.version));
    let named: Vec<String> =
        named.chain(in_force.detectors.iter().map(|(name, version)| format!("{name} version {version}"))).collect();
    match (named.is_empty(), in_force.detectors.is_empty()) {
        (true, _) => Finding::wrong(
            "policies",
            "none is in force: nobody gets a tier",
            "tiermesh policy activate scorecard abc pyramid lifecycle loss-signals",
        ),
        (false, true) => Finding::note(
            "policies",
            format!("in force: {}; no loss signals", named.join(", ")),
            "tiermesh policy activate loss-signals",
        ),
        (false, false) => Finding::well("policies", format!("in force: {}", named.join(", "))),
    }
}

fn time(in_force: &InForce, ticks: &[Option<Millis>]) -> Vec<Finding> {
    if !in_force.live {
        let remedy = "send history, or simply send an event: the first one makes it live";
        return vec![Finding::note("time", "the mesh is not live yet: no time passes in it", remedy)];
    }
    let now = tiermesh_ingest::Clock::system().now_ms();
    let Some(last) = ticks.iter().flatten().max().copied() else {
        return vec![Finding::wrong("time", "no tick has been written", "is ingest running? its log says why")];
    };
    let mut findings = Vec::new();
    let oldest = ticks.iter().map(|tick| tick.unwrap_or_default()).min().unwrap_or_default();
    findings.push(if now - oldest > LATE_TICK_MS {
        Finding::wrong(
            "time",
            format!("the last tick that all partitions have is of {}", format_instant(oldest)),
            "is ingest running? its log line `no tick is written` says why; see docs/operations.md#time",
        )
    } else {
        Finding::well("time", format!("the last tick is of {}", format_instant(last)))
    });
    let relative = |policy: &&Policy| matches!(policy.method, Method::Relative(_));
    let late: BTreeSet<&str> = in_force
        .policies
        .values()
        .filter(relative)
        .filter(|policy| in_force.cut_points.get(&policy.name).is_none_or(|as_of| last - as_of > LATE_CUT_POINTS_MS))
        .map(|policy| policy.name.as_str())
        .collect();
    if !late.is_empty() {
        findings.push(Finding::wrong(
            "cut-points",
            format!("late for {}", late.into_iter().collect::<Vec<_>>().join(", ")),
            "a partition of scoring without an owner delays them: is scoring running?",
        ));
    }
    findings
}

/// The last tick of each partition.
async fn last_ticks(log: &dyn EventLog, partitions: u32) -> Result<Vec<Option<Millis>>, LogError> {
    let mut ticks = Vec::new();
    for partition in 0..partitions {
        let extent = log.extent(CUSTOMER_EVENTS.name, partition).await?;
        let first = extent.start.max(1);
        let mut back = TAIL;
        let mut found = None;
        while found.is_none() && first < extent.end {
            let from = extent.end.saturating_sub(back).max(first);
            found = tick_between(log, partition, from, extent.end).await?;
            if from == first {
                break;
            }
            back = back.saturating_mul(8);
        }
        ticks.push(found);
    }
    Ok(ticks)
}

async fn tick_between(log: &dyn EventLog, partition: u32, from: u64, end: u64) -> Result<Option<Millis>, LogError> {
    let mut reader = log.read(CUSTOMER_EVENTS.name, partition, from).await?;
    let (mut next, mut found) = (from, None);
    while next < end {
        for record in reader.next(10_000).await?.into_iter().filter(|record| record.offset < end) {
            next = record.offset + 1;
            if let Some(Event::Tick(tick)) = CUSTOMER_EVENTS.decode(&record)?.event {
                found = found.max(Some(tick.time_ms));
            }
        }
    }
    Ok(found)
}
