//! Ranks and shares among the customers of a population: "greater, less, equal compare q; sums add exact v; an empty
//! denominator gives 0; fractions are compared exactly".

use tiermesh_domain::{exact::Fraction, policy::RankBy};

use crate::quantise::quantise;

/// The values of a population at one tick.
#[derive(Debug)]
pub(crate) struct Population {
    /// Quantised, ascending.
    compared: Vec<i128>,
    /// `positive_from[i]`: the sum of the exact positive values from place `i` on; one longer than `compared`.
    positive_from: Vec<i128>,
}

impl Population {
    /// Of these exact values.
    pub(crate) fn of(mut values: Vec<i128>) -> Self {
        values.sort_by_key(|value| quantise(*value));
        let mut positive_from = vec![0; values.len() + 1];
        for (place, value) in values.iter().enumerate().rev() {
            positive_from[place] = positive_from[place + 1] + (*value).max(0);
        }
        Self { compared: values.iter().map(|value| quantise(*value)).collect(), positive_from }
    }

    /// The place of a value that may or may not be one of the population's.
    pub(crate) fn place(&self, by: RankBy, value: i128) -> Fraction {
        let not_greater = self.compared.partition_point(|other| *other <= quantise(value));
        match by {
            RankBy::Rank => {
                let size = self.compared.len();
                Fraction::new((size - not_greater) as i128, size as i128)
            }
            RankBy::ShareAbove => Fraction::new(self.positive_from[not_greater], self.positive_from[0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(population: &Population, value: i128) -> Fraction {
        population.place(RankBy::Rank, value)
    }

    fn share(population: &Population, value: i128) -> Fraction {
        population.place(RankBy::ShareAbove, value)
    }

    #[test]
    fn rank_is_the_number_strictly_greater_over_the_size() {
        let population = Population::of(vec![10, 30, 20, 20]);
        let ranks = [30, 20, 10].map(|value| rank(&population, value));
        assert_eq!(ranks, [Fraction::ZERO, Fraction::new(1, 4), Fraction::new(3, 4)], "equal values fare the same");
        assert_eq!(rank(&population, 25), Fraction::new(1, 4), "a value that isn't one of them");
        assert_eq!(rank(&population, 5), Fraction::ONE);
    }

    #[test]
    fn values_that_quantise_to_the_same_are_equal() {
        let population = Population::of(vec![1_024, 1_025, 1_026]);
        assert_eq!(rank(&population, 1_024), Fraction::new(1, 3));
        assert_eq!(rank(&population, 1_025), Fraction::new(1, 3));
        assert_eq!(rank(&population, 1_027), Fraction::ZERO);
    }

    #[test]
    fn share_above_sums_exact_positive_values() {
        let population = Population::of(vec![1_025, 2_051, -600, 100]);
        // The positive sum is 3176; 2051 is compared as 2048, yet summed as 2051.
        assert_eq!(share(&population, 2_048), Fraction::ZERO);
        assert_eq!(share(&population, 1_025), Fraction::new(2_051, 3_176));
        assert_eq!(share(&population, 100), Fraction::new(3_076, 3_176));
        assert_eq!(share(&population, -600), Fraction::ONE);
    }

    #[test]
    fn an_empty_denominator_gives_0() {
        let empty = Population::of(Vec::new());
        assert_eq!((rank(&empty, 5), share(&empty, 5)), (Fraction::ZERO, Fraction::ZERO));
        let nothing_positive = Population::of(vec![0, -5]);
        assert_eq!(share(&nothing_positive, -5), Fraction::ZERO);
        assert_eq!(rank(&nothing_positive, -5), Fraction::new(1, 2));
    }
}
