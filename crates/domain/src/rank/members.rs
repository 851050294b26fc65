//! The members of a ranked population in one partition, by quantised value, and what changed since the last summary.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1::{BucketDelta, MetricSummary};

use super::{cut_points::Bucket, quantise::quantise};

/// One ranked metric in one partition.
///
/// Whoever needs places among all customers adds the partitions' buckets up; a partition itself only ever asks who
/// lies between two values, so an ordered set is all it keeps.
#[derive(Debug, Clone, Default)]
pub struct RankedMembers {
    by_value: BTreeSet<(i64, u32)>,
    changes: RankChanges,
}

/// What changed since the last summary: count and sum by bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RankChanges(BTreeMap<i64, Bucket>);

impl RankedMembers {
    /// Moves a customer from one exact value to another; `None`: outside the population.
    pub fn shift(&mut self, customer: u32, from: Option<i64>, to: Option<i64>) {
        if from == to {
            return;
        }
        for (value, sign) in [(from, -1), (to, 1)] {
            let Some(value) = value else { continue };
            let at = quantise(value);
            if sign > 0 {
                self.by_value.insert((at, customer));
            } else {
                self.by_value.remove(&(at, customer));
            }
            self.changes.add(at, Bucket { count: sign, sum: i128::from(sign) * i128::from(value) });
        }
    }

    /// Customers with `from ≤ q < to`.
    pub fn between(&self, from: i64, to: i64) -> impl Iterator<Item = u32> + '_ {
        let range = if from < to { (from, 0)..(to, 0) } else { (from, 0)..(from, 0) };
        self.by_value.range(range).map(|(_, customer)| *customer)
    }

    /// All customers of the population.
    pub fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.by_value.iter().map(|(_, customer)| *customer)
    }

    /// What changed since the last summary; from now on nothing has.
    pub fn take_changes(&mut self, metric: &str) -> MetricSummary {
        std::mem::take(&mut self.changes).into_summary(metric)
    }

    /// What changed since the last summary, for a save.
    pub fn changes(&self) -> &RankChanges {
        &self.changes
    }

    /// Takes over what a save holds of changes since the last summary.
    pub fn restore_changes(&mut self, changes: RankChanges) {
        self.changes = changes;
    }

    /// Reports these changes too, with the next summary.
    pub fn add_changes(&mut self, changes: RankChanges) {
        for (value, change) in changes.0 {
            self.changes.add(value, change);
        }
    }
}

impl RankChanges {
    fn add(&mut self, value: i64, change: Bucket) {
        let bucket = self.0.entry(value).or_default();
        bucket.count += change.count;
        bucket.sum += change.sum;
        if bucket.is_empty() {
            self.0.remove(&value);
        }
    }

    /// As a part of a summary.
    pub fn into_summary(self, metric: &str) -> MetricSummary {
        let buckets = self.0.into_iter().map(|(value, bucket)| BucketDelta {
            value,
            count: bucket.count,
            sum: bucket.sum.to_string(),
        });
        MetricSummary { metric: metric.to_owned(), buckets: buckets.collect() }
    }
}
