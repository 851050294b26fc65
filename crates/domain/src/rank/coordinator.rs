//! The coordinator: a fold over the partitions' summaries that gives cut-points, and watches the sources.
//!
//! A boundary is complete when every partition has reported it. A partition that skipped one (its ticks leapt) leaves
//! it incomplete for ever; the next that all report completes in its place. So the result depends on nobody's pace,
//! unless a partition falls behind by more than [`MOST_WAITING`] boundaries: then the eldest are passed over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1::{Control, CutPoint, CutPoints, Summary, control};

use super::{
    Bucket, Histogram,
    cut_points::{Demand, cut_points},
};
use crate::{
    fold::{Effect, Fold, FoldError, Packed, pack, unpack},
    sources::{Heard, MOST_SOURCES, Sources},
    time::Millis,
};

/// Reports of a partition that wait for others: a day of minutes. Beyond, the eldest goes into the one behind it, so
/// that a partition without an owner costs a bounded amount of memory, however long it lasts.
const MOST_WAITING: usize = 1_440;

/// What a segment begins with: a zero as postcard never writes it, with which no segment without a number begins, and the
/// number of its form.
const FORM_3: &[u8] = &[0x80, 0, 3];

/// Folds `scoring.summaries`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Coordinator {
    /// The sequence of the last summary taken, by source partition: the marks.
    marks: BTreeMap<u32, u64>,
    /// Reports that wait for their boundary to be complete, by rising boundary.
    waiting: BTreeMap<u32, VecDeque<Report>>,
    /// All that the partitions have reported up to the last complete boundary, by metric.
    histograms: BTreeMap<String, Histogram>,
    sources: Sources,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Report {
    boundary: Millis,
    changes: BTreeMap<String, Histogram>,
    demands: BTreeMap<(String, u32), (String, Demand)>,
    sources: BTreeSet<String>,
    live: bool,
}

impl Report {
    /// Takes in what was reported before it.
    fn absorb(&mut self, earlier: Self) {
        for (metric, changes) in earlier.changes {
            self.changes.entry(metric).or_default().add(changes);
        }
        // One that is full says that it may not name everybody.
        let room = MOST_SOURCES.saturating_sub(self.sources.len());
        self.sources.extend(earlier.sources.into_iter().take(room));
    }
}

impl Coordinator {
    fn wait(&mut self, partition: u32, report: Report) {
        let reports = self.waiting.entry(partition).or_default();
        reports.push_back(report);
        if reports.len() > MOST_WAITING
            && let Some(eldest) = reports.pop_front()
            && let Some(next) = reports.front_mut()
        {
            next.absorb(eldest);
        }
    }

    fn complete(&mut self, partitions: u32, effects: &mut Vec<Effect>) {
        if self.waiting.len() < partitions as usize {
            return;
        }
        let Some(boundary) = self.latest_common_boundary() else { return };
        let mut demands: Option<BTreeMap<(String, u32), (String, Demand)>> = None;
        let mut heard = Heard { live: true, ..Heard::default() };
        let mut changed: BTreeMap<String, Vec<(i64, Bucket)>> = BTreeMap::new();
        for reports in self.waiting.values_mut() {
            let done = reports.partition_point(|report| report.boundary <= boundary);
            for report in reports.drain(..done) {
                for (metric, changes) in report.changes {
                    changed.entry(metric).or_default().extend(changes);
                }
                heard.full |= report.sources.len() >= MOST_SOURCES;
                heard.sources.extend(report.sources);
                if report.boundary == boundary {
                    heard.live &= report.live;
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
        for (metric, changes) in changed {
            // Together first: they are few beside all that is there.
            let changes: Histogram = changes.into_iter().collect();
            self.histograms.entry(metric).or_default().add(changes);
        }
        for ((policy, version), (metric, demand)) in demands.unwrap_or_default() {
            effects.push(self.cut_points_of(boundary, policy, version, &metric, &demand));
        }
        let said = self.sources.complete(boundary, &heard).into_iter();
        effects.extend(said.map(|control| Effect::Control(Control { origin: None, control: Some(control) })));
    }

    fn latest_common_boundary(&self) -> Option<Millis> {
        let fewest = self.waiting.values().min_by_key(|reports| reports.len())?;
        let mut latest_first = fewest.iter().rev().map(|report| report.boundary);
        let reported = |reports: &VecDeque<Report>, boundary: Millis| {
            reports.binary_search_by_key(&boundary, |report| report.boundary).is_ok()
        };
        latest_first.find(|boundary| self.waiting.values().all(|reports| reported(reports, *boundary)))
    }

    fn cut_points_of(&self, boundary: Millis, policy: String, version: u32, metric: &str, demand: &Demand) -> Effect {
        let empty = Histogram::default();
        let histogram = self.histograms.get(metric).unwrap_or(&empty);
        let values = cut_points(histogram, demand)
            .into_iter()
            .map(|cut| CutPoint { reachable: cut.is_some(), at_least: cut.unwrap_or_default() })
            .collect();
        let population = histogram.iter().map(|(_, bucket)| bucket.count).sum::<i64>().unsigned_abs();
        let positive: i128 = histogram.iter().filter(|(value, _)| *value > 0).map(|(_, bucket)| bucket.sum).sum();
        Effect::Control(Control {
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
        let mut changes: BTreeMap<String, Histogram> = BTreeMap::new();
        for metric in &summary.metrics {
            let buckets = metric.buckets.iter().map(|bucket| {
                let sum = bucket.sum.parse().map_err(|_| FoldError::corrupt("a bucket's sum isn't a number"))?;
                Ok((bucket.value, Bucket { count: bucket.count, sum }))
            });
            let buckets: Vec<(i64, Bucket)> = buckets.collect::<Result<_, FoldError>>()?;
            changes.entry(metric.metric.clone()).or_default().add(buckets);
        }
        let report = Report {
            boundary: summary.boundary_ms,
            changes,
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
            sources: summary.sources.iter().map(|count| count.source.clone()).collect(),
            live: summary.live,
        };
        self.wait(origin.partition, report);
        self.complete(summary.partitions, effects);
        Ok(())
    }

    fn snapshot(&mut self) -> Vec<u8> {
        [FORM_3, &pack(self)].concat()
    }

    fn delta(&mut self) -> Packed {
        // Small: a bucket for every value that occurs, never one for a customer. All of it goes.
        Packed { bytes: self.snapshot(), round_complete: true }
    }

    fn load(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        if let Some(segment) = segments.last() {
            // Form 2 is the same without a number in front.
            *self = unpack(segment.strip_prefix(FORM_3).unwrap_or(segment))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tiermesh_proto::v1::{BucketDelta, CutPointDemand, MetricSummary, Origin, SourceCount};

    use super::*;

    const MINUTE_MS: Millis = 60_000;

    /// In each minute a customer comes to the partition, worth as many as the minute's number.
    fn report(partition: u32, minute: u64) -> Summary {
        let bucket = BucketDelta { value: minute as i64, count: 1, sum: minute.to_string() };
        let demand = CutPointDemand {
            policy: "p".to_owned(),
            version: 1,
            metric: "sales".to_owned(),
            rule: "rank".to_owned(),
            below_millionths: vec![500_000],
        };
        Summary {
            origin: Some(Origin { partition, sequence: minute, ..Origin::default() }),
            boundary_ms: minute as i64 * MINUTE_MS,
            partitions: 2,
            demands: vec![demand],
            metrics: vec![MetricSummary { metric: "sales".to_owned(), buckets: vec![bucket] }],
            sources: vec![SourceCount { source: format!("shop-{minute}"), facts: 1 }],
            live: true,
        }
    }

    fn take(coordinator: &mut Coordinator, summary: &Summary) -> Vec<CutPoints> {
        let mut effects = Vec::new();
        coordinator.apply(summary, &mut effects).unwrap();
        let cut_points = effects.into_iter().filter_map(|effect| match effect {
            Effect::Control(Control { control: Some(control::Control::CutPoints(cut_points)), .. }) => Some(cut_points),
            _ => None,
        });
        cut_points.collect()
    }

    #[test]
    fn a_partition_without_an_owner_costs_a_bounded_amount_and_loses_nothing() {
        const MINUTES: u64 = MOST_WAITING as u64 + 500;
        let (mut both, mut behind) = (Coordinator::default(), Coordinator::default());
        let mut expected = Vec::new();
        for minute in 1..=MINUTES {
            expected.extend(take(&mut both, &report(0, minute)));
            expected.extend(take(&mut both, &report(1, minute)));
            assert_eq!(take(&mut behind, &report(0, minute)), []);
            assert!(behind.waiting[&0].len() <= MOST_WAITING);
        }
        assert_eq!(expected.len() as u64, MINUTES);
        // Its new owner reports all that was missed. What was passed over has no cut-points; what is left has the same.
        let found: Vec<CutPoints> = (1..=MINUTES).flat_map(|minute| take(&mut behind, &report(1, minute))).collect();
        assert_eq!(found, expected[500..]);
        assert!(behind.waiting.is_empty());
        assert_eq!(behind.histograms, both.histograms);
    }

    #[test]
    fn what_a_report_takes_over_it_reports() {
        let mut coordinator = Coordinator::default();
        (1..=MOST_WAITING as u64 + 3).for_each(|minute| drop(take(&mut coordinator, &report(0, minute))));
        let eldest = &coordinator.waiting[&0][0];
        assert_eq!(eldest.boundary, 4 * MINUTE_MS);
        assert_eq!(eldest.sources.iter().collect::<Vec<_>>(), ["shop-1", "shop-2", "shop-3", "shop-4"]);
        assert_eq!(eldest.changes["sales"].iter().map(|(value, _)| value).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
