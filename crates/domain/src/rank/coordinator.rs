//! The coordinator: a fold over the partitions' summaries that gives cut-points.
//!
//! A boundary is complete when every partition has reported it. A partition that skipped one (its ticks leapt) leaves
//! it incomplete for ever; the next that all report completes in its place. So the result depends on nobody's pace.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1::{Control, CutPoint, CutPoints, Summary, control};

use super::cut_points::{Bucket, Demand, cut_points};
use crate::{
    fold::{Effect, Fold, FoldError},
    time::Millis,
};

/// Folds `scoring.summaries`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Coordinator {
    /// The sequence of the last summary taken, by source partition: the marks.
    marks: BTreeMap<u32, u64>,
    /// Reports that wait for their boundary to be complete.
    waiting: BTreeMap<u32, Vec<Report>>,
    /// All that the partitions have reported up to the last complete boundary, by metric.
    histograms: BTreeMap<String, BTreeMap<i64, Bucket>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Report {
    boundary: Millis,
    changes: Vec<(String, Vec<(i64, Bucket)>)>,
    demands: BTreeMap<(String, u32), (String, Demand)>,
}

impl Coordinator {
    fn complete(&mut self, partitions: u32, effects: &mut Vec<Effect>) {
        if self.waiting.len() < partitions as usize {
            return;
        }
        let Some(boundary) = self.latest_common_boundary() else { return };
        let mut demands: Option<BTreeMap<(String, u32), (String, Demand)>> = None;
        for reports in self.waiting.values_mut() {
            let done = reports.partition_point(|report| report.boundary <= boundary);
            for report in reports.drain(..done) {
                for (metric, buckets) in report.changes {
                    let histogram = self.histograms.entry(metric).or_default();
                    for (value, change) in buckets {
                        add(histogram, value, change);
                    }
                }
                if report.boundary == boundary {
                    // A policy activated between two partitions' reports isn't in all of them yet: the next boundary.
                    demands = Some(match demands {
                        None => report.demands,
                        Some(common) => common
                            .into_iter()
                            .filter(|(policy, demand)| report.demands.get(policy) == Some(demand))
                            .collect(),
                    });
                }
            }
        }
        self.waiting.retain(|_, reports| !reports.is_empty());
        for ((policy, version), (metric, demand)) in demands.unwrap_or_default() {
            effects.push(self.cut_points_of(boundary, policy, version, &metric, &demand));
        }
    }

    fn latest_common_boundary(&self) -> Option<Millis> {
        let mut all = self.waiting.values();
        let mut common: Vec<Millis> = all.next()?.iter().map(|report| report.boundary).collect();
        for reports in all {
            common.retain(|boundary| reports.iter().any(|report| report.boundary == *boundary));
        }
        common.into_iter().max()
    }

    fn cut_points_of(&self, boundary: Millis, policy: String, version: u32, metric: &str, demand: &Demand) -> Effect {
        let empty = BTreeMap::new();
        let histogram = self.histograms.get(metric).unwrap_or(&empty);
        let values = cut_points(histogram, demand)
            .into_iter()
            .map(|cut| CutPoint { reachable: cut.is_some(), at_least: cut.unwrap_or_default() })
            .collect();
        let population = histogram.values().map(|bucket| bucket.count).sum::<i64>().unsigned_abs();
        let positive: i128 = histogram.range(1..).map(|(_, bucket)| bucket.sum).sum();
        Effect::CutPoints(Control {
            origin: None,
            control: Some(control::Control::CutPoints(CutPoints {
                policy,
                version,
                as_of_ms: boundary,
                values,
                population,
                positive_sum: positive.to_string(),
            })),
        })
    }
}

fn add(histogram: &mut BTreeMap<i64, Bucket>, value: i64, change: Bucket) {
    let bucket = histogram.entry(value).or_default();
    bucket.count += change.count;
    bucket.sum += change.sum;
    if bucket.is_empty() {
        histogram.remove(&value);
    }
}

impl Fold for Coordinator {
    type Input = Summary;

    fn apply(&mut self, summary: &Summary, effects: &mut Vec<Effect>) -> Result<(), FoldError> {
        let origin = summary.origin.as_ref().ok_or_else(|| FoldError::corrupt("a summary has no origin"))?;
        let mark = self.marks.entry(origin.partition).or_default();
        if origin.sequence <= *mark {
            return Ok(());
        }
        if origin.sequence != *mark + 1 {
            return Err(FoldError::Gap { partition: origin.partition, after: *mark, found: origin.sequence });
        }
        *mark = origin.sequence;
        let report = Report {
            boundary: summary.boundary_ms,
            changes: summary
                .metrics
                .iter()
                .map(|metric| {
                    let buckets = metric.buckets.iter().map(|bucket| {
                        let sum =
                            bucket.sum.parse().map_err(|_| FoldError::corrupt("a bucket's sum isn't a number"))?;
                        Ok((bucket.value, Bucket { count: bucket.count, sum }))
                    });
                    Ok((metric.metric.clone(), buckets.collect::<Result<_, FoldError>>()?))
                })
                .collect::<Result<_, FoldError>>()?,
            demands: summary
                .demands
                .iter()
                .map(|demand| {
                    let wanted = Demand {
                        by_share: demand.rule == crate::policy::RankBy::ShareAbove.name(),
                        below_millionths: demand.below_millionths.clone(),
                    };
                    ((demand.policy.clone(), demand.version), (demand.metric.clone(), wanted))
                })
                .collect(),
        };
        self.waiting.entry(origin.partition).or_default().push(report);
        self.complete(summary.partitions, effects);
        Ok(())
    }

    fn snapshot(&mut self) -> Vec<u8> {
        crate::fold::pack(self)
    }

    fn delta(&mut self) -> Vec<u8> {
        // Small: a bucket for every value that occurs, never one for a customer. All of it goes.
        crate::fold::pack(self)
    }

    fn load(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        if let Some(segment) = segments.last() {
            *self = crate::fold::unpack(segment)?;
        }
        Ok(())
    }
}
