//! Explanations: every tier change says what it came from.

use tiermesh_proto::v1::{Contribution, MetricValue, TierChange};

use super::{
    grade::{Grade, Sight},
    views::window_start,
};
use crate::{
    exact::format_scaled,
    policy::{Measure, Method, Metric},
    time::Millis,
};

/// What made a customer be tiered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause<'a> {
    /// A fact of the customer's own.
    Event { id: &'a str },
    /// Something left a window, or reached a threshold.
    Time,
    /// Others moved: the boundaries shifted.
    CutPoints,
    /// A policy came into force.
    Policy,
    /// The end of a period that began then, for what had to wait for it.
    Review { since: Millis },
}

/// At most so many event ids in an explanation.
const MOST_EVENTS: usize = 20;

impl Sight<'_> {
    /// The change to a grade, but for what only the fold knows: from, to, when.
    pub(crate) fn explain(
        &self,
        subject: &str,
        grade: &Grade,
        cause: &Cause<'_>,
        previous: Option<Millis>,
    ) -> TierChange {
        let policy = &*self.active.policy;
        let (word, events) = match cause {
            Cause::Event { id } => ("event", vec![(*id).to_owned()]),
            Cause::Time => match self.left_since(previous) {
                // Looked at because of time, and nothing of its own left: then it was the others who moved.
                left if left.is_empty() && self.active.plan.ranked.is_some() => ("cut-points", left),
                left => ("time", left),
            },
            Cause::CutPoints => ("cut-points", Vec::new()),
            Cause::Policy => ("policy", Vec::new()),
            Cause::Review { since } => ("review", self.left_since(Some(*since))),
        };
        let (coverage_e4, missing) = self.coverage(grade);
        let cut_points = self.active.cut_points.as_ref();
        TierChange {
            customer: subject.to_owned(),
            programme: policy.programme.clone(),
            policy: policy.name.clone(),
            version: policy.version,
            cause: word.to_owned(),
            score_e4: grade.score_e4,
            contributions: self.contributions(grade),
            metrics: self.metrics(grade),
            coverage_e4,
            missing,
            event_count: events.len() as u32,
            events: events.into_iter().take(MOST_EVENTS).collect(),
            cut_points_as_of_ms: cut_points.map(|cut_points| cut_points.as_of),
            cut_points: cut_points
                .map(|cut_points| cut_points.values.iter().map(|value| value.unwrap_or(i64::MAX)).collect())
                .unwrap_or_default(),
            card: Some(self.customer.ledger.card()),
            ..TierChange::default()
        }
    }

    /// Each part's points.
    pub(crate) fn contributions(&self, grade: &Grade) -> Vec<Contribution> {
        let Method::Score(parts) = &self.active.policy.method else { return Vec::new() };
        let graded = parts.iter().zip(&grade.parts);
        graded
            .map(|(part, given)| Contribution {
                part: part.name.clone(),
                points_e4: given.points_e4,
                weight_e4: part.weight_e4,
                missing: given.value.is_none(),
            })
            .collect()
    }

    /// Which share of the weights has data, in ten-thousandths, and which parts have none.
    pub(crate) fn coverage(&self, grade: &Grade) -> (u32, Vec<String>) {
        let Method::Score(parts) = &self.active.policy.method else { return (10_000, Vec::new()) };
        let total: i128 = parts.iter().map(|part| i128::from(part.weight_e4)).sum();
        let graded = || parts.iter().zip(&grade.parts);
        let present: i128 =
            graded().filter(|(_, given)| given.value.is_some()).map(|(part, _)| i128::from(part.weight_e4)).sum();
        let missing = graded().filter(|(_, given)| given.value.is_none()).map(|(part, _)| part.name.clone());
        (crate::exact::Fraction::new(present * 10_000, total).round_half_even() as u32, missing.collect())
    }

    /// The values that the tier rests on.
    pub(crate) fn metrics(&self, grade: &Grade) -> Vec<MetricValue> {
        let policy = &*self.active.policy;
        match &policy.method {
            Method::Score(parts) => {
                let mut metrics: Vec<MetricValue> = Vec::new();
                for (part, given) in parts.iter().zip(&grade.parts) {
                    let known = metrics.iter().any(|metric| metric.name == part.metric.measure.name());
                    if let (Some(value), false) = (given.value, known) {
                        metrics.push(self.metric(part.metric, value));
                    }
                }
                metrics
            }
            Method::Relative(rule) => {
                let sales = self.active.plan.sales.first().copied().flatten();
                self.measure(rule.metric, sales).map(|value| self.metric(rule.metric, value)).into_iter().collect()
            }
            Method::Lifecycle(rules) => {
                let Some(pace) = self.active.plan.pace.and_then(|at| self.customer.paces.get(at)) else {
                    return Vec::new();
                };
                let Some(silence) = pace.silence(self.now, &policy.zone) else { return Vec::new() };
                let count = |name: &str, value: i64| MetricValue {
                    name: name.to_owned(),
                    value: value.to_string(),
                    is_count: true,
                };
                let patience = pace.patience(rules, &policy.zone).times_ten_thousand();
                vec![
                    count("silence_days", silence),
                    count("order_days", pace.order_days()),
                    MetricValue {
                        name: "patience_days".to_owned(),
                        value: format_scaled(patience, 4),
                        is_count: false,
                    },
                ]
            }
        }
    }

    /// A value by which customers are ranked, as it is shown.
    pub(crate) fn ranked_text(&self, value: i64) -> Option<String> {
        let Method::Relative(rule) = &self.active.policy.method else { return None };
        if value == i64::MIN {
            return Some("any".to_owned());
        }
        Some(self.metric(rule.metric, crate::exact::Fraction::new(i128::from(value), 1)).value)
    }

    fn metric(&self, metric: Metric, value: crate::exact::Fraction) -> MetricValue {
        let (text, is_count) = match metric.measure {
            Measure::NetSales => (format_scaled(value.round_half_even(), self.active.policy.valuation.decimals), false),
            // A part's unit is a millionth; four decimals are told.
            Measure::CollectionRate => (format_scaled(value.over(100).round_half_even(), 4), false),
            Measure::Orders | Measure::Categories | Measure::Interactions => {
                (format_scaled(value.round_half_even(), 0), true)
            }
        };
        MetricValue { name: metric.measure.name().to_owned(), value: text, is_count }
    }

    /// The ids of the orders and refunds that left the policy's windows after `previous`, with the last tick at the latest.
    fn left_since(&self, previous: Option<Millis>) -> Vec<String> {
        let (Some(previous), Some(now)) = (previous, self.now) else { return Vec::new() };
        let orders = &self.customer.ledger.orders;
        let mut days: Vec<u32> = self.active.metrics().iter().map(|metric| metric.days).collect();
        days.sort_unstable();
        days.dedup();
        let mut ids: Vec<String> = Vec::new();
        for days in days {
            let (from, to) = (window_start(Some(previous), days), window_start(Some(now), days));
            let left = orders.between(from, to).filter_map(|entry| orders.event_id(entry));
            ids.extend(left.map(str::to_owned));
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
