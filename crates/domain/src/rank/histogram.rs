//! How many customers share each quantised value, and the exact sum of their values; or a change of it.

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1::{BucketDelta, MetricSummary};

/// Those who share one quantised value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Customers.
    pub count: i64,
    /// Sum of their exact values.
    pub sum: i128,
}

impl Bucket {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.sum == 0
    }
}

/// Buckets by rising quantised value; none is empty.
///
/// They lie side by side: a histogram is walked through and added to as a whole, some tens of thousands of buckets at most,
/// of which an interval's changes concern thousands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram(Vec<(i64, Bucket)>);

impl FromIterator<(i64, Bucket)> for Histogram {
    /// Of buckets in any order; those of one value are added up.
    fn from_iter<I: IntoIterator<Item = (i64, Bucket)>>(buckets: I) -> Self {
        let mut buckets: Vec<(i64, Bucket)> = buckets.into_iter().collect();
        // Takes one pass for what is sorted, and two for one sorted piece behind another.
        buckets.sort_by_key(|(value, _)| *value);
        buckets.dedup_by(|(value, bucket), (before, sum)| {
            let is_same = value == before;
            if is_same {
                sum.count += bucket.count;
                sum.sum += bucket.sum;
            }
            is_same
        });
        buckets.retain(|(_, bucket)| !bucket.is_empty());
        Self(buckets)
    }
}

impl Histogram {
    /// Adds changes. In place: most are of values that occur already, and a copy of all buckets would cost more than they do.
    pub fn add(&mut self, changes: impl IntoIterator<Item = (i64, Bucket)>) {
        let (buckets, mut new) = (&mut self.0, Vec::new());
        let (mut at, mut any_empty) = (0, false);
        for (value, change) in changes.into_iter().collect::<Self>() {
            at += buckets[at..].iter().take_while(|(known, _)| *known < value).count();
            match buckets.get_mut(at) {
                Some((known, bucket)) if *known == value => {
                    bucket.count += change.count;
                    bucket.sum += change.sum;
                    any_empty |= bucket.is_empty();
                }
                _ => new.push((value, change)),
            }
        }
        if any_empty {
            buckets.retain(|(_, bucket)| !bucket.is_empty());
        }
        // Merged from the end, where there is room.
        let (mut old, mut end) = (buckets.len(), buckets.len() + new.len());
        buckets.resize(end, <(i64, Bucket)>::default());
        while let Some((value, change)) = new.last().copied() {
            end -= 1;
            if old > 0 && buckets[old - 1].0 > value {
                old -= 1;
                buckets[end] = buckets[old];
            } else {
                buckets[end] = (value, change);
                new.pop();
            }
        }
    }

    /// The buckets, by rising value.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, Bucket)> + '_ {
        self.0.iter().copied()
    }

    /// As a part of a summary.
    pub fn into_summary(self, metric: &str) -> MetricSummary {
        let bucket =
            |(value, bucket): (i64, Bucket)| BucketDelta { value, count: bucket.count, sum: bucket.sum.to_string() };
        MetricSummary { metric: metric.to_owned(), buckets: self.into_iter().map(bucket).collect() }
    }
}

impl IntoIterator for Histogram {
    type Item = (i64, Bucket);
    type IntoIter = std::vec::IntoIter<(i64, Bucket)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn changes() -> impl Strategy<Value = Vec<(i64, Bucket)>> {
        let bucket = (-2_i64..3, -2_i128..3).prop_map(|(count, sum)| Bucket { count, sum });
        proptest::collection::vec((-5_i64..6, bucket), 0..40)
    }

    proptest! {
        #[test]
        fn adds_up_as_a_map_would(first in changes(), second in changes()) {
            let mut expected: BTreeMap<i64, Bucket> = BTreeMap::new();
            for (value, bucket) in first.iter().chain(&second) {
                let sum = expected.entry(*value).or_default();
                sum.count += bucket.count;
                sum.sum += bucket.sum;
            }
            expected.retain(|_, bucket| !bucket.is_empty());
            let mut histogram: Histogram = first.into_iter().collect();
            histogram.add(second);
            // Saves hold it as they would hold the map.
            prop_assert_eq!(crate::fold::pack(&histogram), crate::fold::pack(&expected));
            prop_assert_eq!(histogram.into_iter().collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
