//! Scores: "Parts are clamped to [0, weight] and computed exactly, then (after reweighing) each rounded half-even to
//! 4 decimals; the score is their sum and decides the tier."

use tiermesh_domain::{
    exact::Fraction,
    policy::{Measure, Missing, Part},
};

/// A score, and how much data it rests on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Score {
    /// Ten-thousandths of a point.
    pub(crate) points_e4: i64,
    /// The weight with data ÷ all weight, in ten-thousandths.
    pub(crate) coverage_e4: i64,
    /// The names of the parts without data, in the policy's order.
    pub(crate) missing: Vec<String>,
}

/// `values`: of each part, in its metric's unit (a rate is 0 to 1); `None`: there is no data.
pub(crate) fn score(parts: &[Part], values: &[Option<Fraction>], missing: Missing) -> Score {
    let with_values = || parts.iter().zip(values);
    let all: i128 = parts.iter().map(|part| i128::from(part.weight_e4)).sum();
    let with_data: i128 =
        with_values().filter(|(_, value)| value.is_some()).map(|(part, _)| i128::from(part.weight_e4)).sum();

    let points = |(part, value): (&Part, &Option<Fraction>)| {
        let weight = Fraction::new(part.weight_e4.into(), 1);
        let exact = match (value, missing) {
            (Some(value), Missing::Reweigh) => weight.times(share(part, *value)).times(Fraction::new(all, with_data)),
            (Some(value), Missing::Zero | Missing::Full) => weight.times(share(part, *value)),
            (None, Missing::Full) => weight,
            (None, Missing::Zero | Missing::Reweigh) => Fraction::ZERO,
        };
        exact.round_half_even() as i64
    };
    Score {
        points_e4: with_values().map(points).sum(),
        coverage_e4: Fraction::new(with_data * 10_000, all).round_half_even() as i64,
        missing: with_values().filter(|(_, value)| value.is_none()).map(|(part, _)| part.name.clone()).collect(),
    }
}

/// Which share of its points a value gives: none at `zero_at`, all at `full_at`, linear between.
fn share(part: &Part, value: Fraction) -> Fraction {
    let in_the_part_s_unit = match part.metric.measure {
        Measure::CollectionRate => value.times(Fraction::new(1_000_000, 1)),
        _ => value,
    };
    let range = i128::from(part.full_at) - i128::from(part.zero_at);
    in_the_part_s_unit.minus(part.zero_at.into()).over(range).clamped()
}

#[cfg(test)]
mod tests {
    use tiermesh_domain::policy::Method;

    use super::*;
    use crate::testing::scorecard;

    /// Sales, collection, repurchase, breadth, interactions, as the specification's score card has them.
    fn card(missing: &str, values: [Option<(i128, i128)>; 5]) -> Score {
        let policy = scorecard(missing);
        let Method::Score(parts) = &policy.method else { unreachable!() };
        let values = values.map(|value| value.map(|(numerator, denominator)| Fraction::new(numerator, denominator)));
        score(parts, &values, policy.missing)
    }

    fn points(score: &Score) -> i64 {
        score.points_e4
    }

    #[test]
    fn the_score_card_by_hand() {
        // 50 × 250,000/500,000 = 25; 20 × (0.90 − 0.70)/0.25 = 16; 15 × 6/12 = 7.5; 10 × 2/5 = 4; 5 × 12/24 = 2.5
        let all = card("reweigh", [Some((25_000_000, 1)), Some((9, 10)), Some((6, 1)), Some((2, 1)), Some((12, 1))]);
        assert_eq!(all, Score { points_e4: 550_000, coverage_e4: 10_000, missing: Vec::new() });
    }

    #[test]
    fn parts_are_clamped() {
        let over = card("zero", [Some((90_000_000, 1)), Some((1, 1)), Some((13, 1)), Some((9, 1)), Some((25, 1))]);
        assert_eq!(points(&over), 1_000_000);
        let under = card("zero", [Some((-5, 1)), Some((7, 10)), Some((0, 1)), Some((0, 1)), Some((0, 1))]);
        assert_eq!(points(&under), 0);
    }

    #[test]
    fn missing_parts_are_left_out_and_the_rest_weighs_more() {
        // × 100 ÷ 70: 25 → 35.714285… → 35.7143; 7.5 → 10.714285… → 10.7143; 2.5 → 3.571428… → 3.5714
        let reweighed = card("reweigh", [Some((25_000_000, 1)), None, Some((6, 1)), None, Some((12, 1))]);
        assert_eq!(points(&reweighed), 357_143 + 107_143 + 35_714, "each part is rounded, then summed");
        assert_eq!(reweighed.coverage_e4, 7_000);
        assert_eq!(reweighed.missing, ["collection", "breadth"]);
        assert_eq!(card("reweigh", [None; 5]).points_e4, 0, "nothing at all is 0");
        assert_eq!(card("reweigh", [None; 5]).coverage_e4, 0);
    }

    #[test]
    fn missing_parts_give_nothing_or_all() {
        let values = [Some((25_000_000, 1)), None, Some((6, 1)), None, Some((12, 1))];
        assert_eq!(points(&card("zero", values)), 350_000);
        assert_eq!(points(&card("full", values)), 650_000);
        assert_eq!(card("full", values).coverage_e4, 7_000);
    }

    #[test]
    fn halves_go_to_the_even_ten_thousandth() {
        // 50 × v/50,000,000 pence: 1 penny is 0.000001 points; 150 pence 0.00015 → 0.0002; 250 pence 0.00025 → 0.0002
        let sales = |pence| points(&card("zero", [Some((pence, 1)), None, None, None, None]));
        assert_eq!((sales(50), sales(150), sales(250), sales(251)), (0, 2, 2, 3));
    }
}
