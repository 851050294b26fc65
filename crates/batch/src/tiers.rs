//! From a score, a place or a stage to a tier.

use tiermesh_domain::{
    exact::Fraction,
    policy::{Policy, RankRule},
};

use crate::population::Population;

/// The first tier whose bound the score, in ten-thousandths, reaches.
pub(crate) fn tier_of_score(policy: &Policy, score_e4: i64) -> usize {
    first_tier(policy, |bound| score_e4 >= bound)
}

/// The tier of a customer of the population. Without cut-points: the lowest.
pub(crate) fn tier_of_value(policy: &Policy, rule: &RankRule, value: i128, population: Option<&Population>) -> usize {
    let Some(population) = population else { return policy.lowest() };
    if rule.positive_only && value <= 0 {
        return policy.lowest();
    }
    let place = population.place(rule.by, value);
    first_tier(policy, |below_millionths| place < Fraction::new(below_millionths.into(), 1_000_000))
}

fn first_tier(policy: &Policy, reached: impl Fn(i64) -> bool) -> usize {
    let found = policy.tiers.iter().position(|tier| tier.bound.is_none_or(&reached));
    found.unwrap_or(policy.lowest())
}

#[cfg(test)]
mod tests {
    use tiermesh_domain::policy::Method;

    use super::*;
    use crate::testing::{abc, pyramid, scorecard};

    fn relative(policy: &Policy, value: i128, population: Option<&Population>) -> String {
        let Method::Relative(rule) = &policy.method else { unreachable!() };
        policy.tier_name(tier_of_value(policy, rule, value, population)).to_owned()
    }

    #[test]
    fn scores_reach_their_bound() {
        let policy = scorecard("zero");
        let tiers = [1_000_000, 900_000, 899_999, 600_000, 599_999, 0].map(|score| tier_of_score(&policy, score));
        assert_eq!(tiers.map(|tier| policy.tier_name(tier)), ["A", "A", "B", "D", "E", "E"]);
    }

    #[test]
    fn ranks_stay_below_their_bound() {
        // "rank < 0.25 top, < 0.50 middle, else base"
        let population = Population::of(vec![40, 30, 20, 10]);
        let tiers = [40, 30, 20, 10].map(|value| relative(&pyramid(), value, Some(&population)));
        assert_eq!(tiers, ["top", "middle", "base", "base"]);
        assert_eq!(relative(&pyramid(), 40, None), "base", "no cut-points yet: the lowest");
    }

    #[test]
    fn sales_of_0_or_below_are_c() {
        // "share above < 0.70 A, < 0.95 B, else C; net sales ≤ 0 is C"
        let population = Population::of(vec![0, -5]);
        assert_eq!(relative(&abc(), 0, Some(&population)), "C");
        assert_eq!(relative(&abc(), 1, Some(&population)), "A");
        assert_eq!(relative(&pyramid(), 0, Some(&population)), "top", "where a policy doesn't ask for it");
        let shares = Population::of(vec![70, 25, 5]);
        assert_eq!([70, 25, 5].map(|value| relative(&abc(), value, Some(&shares))), ["A", "B", "C"]);
    }
}
