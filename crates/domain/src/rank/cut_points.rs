//! Cut-points: from a histogram of values to the least value that reaches each tier.

use serde::{Deserialize, Serialize};

use super::{Bucket, Histogram};
use crate::policy::RankBy;

/// What a relative policy asks of a histogram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// What is compared with the bounds.
    pub by_share: bool,
    /// Millionths, rising, one for each tier but the last.
    pub below_millionths: Vec<i64>,
}

impl Demand {
    /// The demand of a rule with these bounds.
    pub fn new(by: RankBy, below_millionths: Vec<i64>) -> Self {
        Self { by_share: by == RankBy::ShareAbove, below_millionths }
    }
}

/// For each bound, the least quantised value whose rank or share above stays below it; `None` if no value's does.
///
/// Rank and share above fall as the value rises and only step at values that someone has, so this one number decides
/// for every value, also for one that nobody has yet. An empty denominator gives 0, which every value passes:
/// [`i64::MIN`]. One pass over the occupied buckets, of which there are at most some 56,000 whatever the population.
pub fn cut_points(histogram: &Histogram, demand: &Demand) -> Vec<Option<i64>> {
    let weight = |(value, bucket): (i64, Bucket)| -> i128 {
        match demand.by_share {
            true if value > 0 => bucket.sum,
            true => 0,
            false => i128::from(bucket.count),
        }
    };
    let total: i128 = histogram.iter().map(weight).sum();
    let bounds = &demand.below_millionths;
    if total <= 0 {
        return bounds.iter().map(|bound| (*bound > 0).then_some(i64::MIN)).collect();
    }
    let mut cuts: Vec<Option<i64>> = vec![None; bounds.len()];
    let mut above: i128 = 0;
    for bucket in histogram.iter().rev() {
        for (bound, cut) in bounds.iter().zip(&mut cuts) {
            if above * 1_000_000 < i128::from(*bound) * total {
                *cut = Some(bucket.0);
            }
        }
        above += weight(bucket);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rank::quantise;

    fn histogram(values: &[i64]) -> Histogram {
        values.iter().map(|value| (quantise(*value), Bucket { count: 1, sum: i128::from(*value) })).collect()
    }

    #[test]
    fn nobody_gives_cut_points_that_everybody_reaches() {
        let demand = Demand { by_share: false, below_millionths: vec![50_000, 200_000] };
        assert_eq!(cut_points(&Histogram::default(), &demand), [Some(i64::MIN), Some(i64::MIN)]);
    }

    #[test]
    fn equal_values_fare_the_same() {
        let demand = Demand { by_share: false, below_millionths: vec![250_000] };
        assert_eq!(cut_points(&histogram(&[10, 10, 10, 5]), &demand), [Some(10)]);
    }

    proptest! {
        #[test]
        fn decide_as_counting_everybody_does(
            values in proptest::collection::vec(-2_000_i64..5_000, 1..40),
            probe in -2_500_i64..6_000,
            bounds in proptest::collection::btree_set(1_i64..=1_000_000, 1..4),
            by_share: bool,
        ) {
            let bounds: Vec<i64> = bounds.into_iter().collect();
            let demand = Demand { by_share, below_millionths: bounds.clone() };
            let cuts = cut_points(&histogram(&values), &demand);
            let greater = values.iter().filter(|value| quantise(**value) > quantise(probe));
            let positive = |value: &&i64| i128::from(**value).max(0);
            let (above, total): (i128, i128) = if by_share {
                (greater.map(|v| positive(&v)).sum(), values.iter().map(|v| positive(&v)).sum())
            } else {
                (greater.count() as i128, values.len() as i128)
            };
            for (bound, cut) in bounds.iter().zip(cuts) {
                let reached = total == 0 || above * 1_000_000 < i128::from(*bound) * total;
                prop_assert_eq!(cut.is_some_and(|cut| quantise(probe) >= cut), reached, "bound {}", bound);
            }
        }
    }
}
