//! The lines of `customers.ndjson`, `changes.ndjson` and `signals.ndjson`.

use serde::Serialize;
use serde_json::{Map, Value};
use tiermesh_proto::v1::{Contribution, LossSignal, MetricValue, TierChange};

use crate::{exact::format_trimmed, scoring::CustomerStanding, time::format_instant};

#[derive(Serialize)]
struct CustomerLine<'a> {
    customer: &'a str,
    programme: &'a str,
    policy: &'a str,
    version: u32,
    tier: &'a str,
    score: Value,
    since: String,
    metrics: Map<String, Value>,
    coverage: Value,
    missing: &'a [String],
}

#[derive(Serialize)]
struct ChangeLine<'a> {
    customer: &'a str,
    programme: &'a str,
    policy: &'a str,
    version: u32,
    from: Option<&'a str>,
    to: &'a str,
    at: String,
    cause: &'a str,
    score: Value,
    contributions: Vec<ContributionLine<'a>>,
    metrics: Map<String, Value>,
    coverage: Value,
    missing: &'a [String],
    events: &'a [String],
    event_count: u32,
}

/// A part of a score, in a line.
#[derive(Serialize)]
pub(crate) struct ContributionLine<'a> {
    part: &'a str,
    points: Value,
    weight: Value,
    missing: bool,
}

impl<'a> ContributionLine<'a> {
    pub(crate) fn of(contribution: &'a Contribution) -> Self {
        Self {
            part: &contribution.part,
            points: number(contribution.points_e4, 4),
            weight: number(contribution.weight_e4, 4),
            missing: contribution.missing,
        }
    }
}

#[derive(Serialize)]
struct SignalLine<'a> {
    customer: &'a str,
    detector: &'a str,
    at: String,
    state: &'a str,
    observed: i64,
    expected: f64,
    window_days: Option<u32>,
    p: Option<f64>,
}

/// The order of `customers.ndjson`: by customer and policy.
pub fn sort_customers(standings: &mut [CustomerStanding]) {
    standings.sort_by(|a, b| (&a.customer, &a.policy).cmp(&(&b.customer, &b.policy)));
}

/// The order of `changes.ndjson`: by (at, customer, programme, policy).
pub fn sort_changes(changes: &mut [TierChange]) {
    changes.sort_by(|a, b| {
        (a.at_ms, &a.customer, &a.programme, &a.policy).cmp(&(b.at_ms, &b.customer, &b.programme, &b.policy))
    });
}

/// The order of `signals.ndjson`: by (at, customer, detector).
pub fn sort_signals(signals: &mut [LossSignal]) {
    signals.sort_by(|a, b| (a.at_ms, &a.customer, &a.detector).cmp(&(b.at_ms, &b.customer, &b.detector)));
}

/// The line of a customer's standing.
pub fn customer(standing: &CustomerStanding) -> String {
    render(&CustomerLine {
        customer: &standing.customer,
        programme: &standing.programme,
        policy: &standing.policy,
        version: standing.version,
        tier: &standing.tier,
        score: standing.score_e4.map_or(Value::Null, |score| number(score, 4)),
        since: format_instant(standing.since),
        metrics: metrics(&standing.metrics),
        coverage: number(i64::from(standing.coverage_e4), 4),
        missing: &standing.missing,
    })
}

/// The line of a tier change.
pub fn change(change: &TierChange) -> String {
    let contributions = change.contributions.iter().map(ContributionLine::of);
    render(&ChangeLine {
        customer: &change.customer,
        programme: &change.programme,
        policy: &change.policy,
        version: change.version,
        from: change.from.as_deref(),
        to: &change.to,
        at: format_instant(change.at_ms),
        cause: &change.cause,
        score: change.score_e4.map_or(Value::Null, |score| number(score, 4)),
        contributions: contributions.collect(),
        metrics: metrics(&change.metrics),
        coverage: number(i64::from(change.coverage_e4), 4),
        missing: &change.missing,
        events: &change.events,
        event_count: change.event_count,
    })
}

/// The line of a loss signal; `None` for one that merely has other figures.
pub fn signal(signal: &LossSignal) -> Option<String> {
    (signal.state != "updated").then(|| {
        render(&SignalLine {
            customer: &signal.customer,
            detector: &signal.detector,
            at: format_instant(signal.at_ms),
            state: &signal.state,
            observed: signal.observed,
            expected: signal.expected,
            window_days: signal.window_days,
            p: signal.p,
        })
    })
}

fn render<T: Serialize>(line: &T) -> String {
    // Plain structs of texts and numbers: there is nothing in them that JSON can't hold.
    serde_json::to_string(line).unwrap_or_default()
}

pub(crate) fn metrics(metrics: &[MetricValue]) -> Map<String, Value> {
    let value = |metric: &MetricValue| match metric.is_count {
        true => metric.value.parse().map_or(Value::Null, Value::Number),
        false => Value::String(metric.value.clone()),
    };
    metrics.iter().map(|metric| (metric.name.clone(), value(metric))).collect()
}

pub(crate) fn number(value: i64, decimals: u32) -> Value {
    format_trimmed(i128::from(value), decimals).parse().map_or(Value::Null, Value::Number)
}
