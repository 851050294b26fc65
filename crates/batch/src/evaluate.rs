//! What a policy says of one customer at one moment.

use std::collections::BTreeMap;

use tiermesh_domain::{
    exact::Fraction,
    policy::{LifecycleRules, Method, Part, Policy, RankRule},
    time::Millis,
};

use crate::{
    book::Book,
    lifecycle,
    measure::{measure, shown},
    outcome::{Shown, Standing},
    population::Population,
    sales::orders_within,
    score::score,
    tiers::{tier_of_score, tier_of_value},
};

/// Full coverage, in ten-thousandths.
const WHOLE_E4: i64 = 10_000;

/// `tick`: the last one. `population`: of a relative policy, as it was at its last cut-points.
pub(crate) fn evaluate(
    book: &Book<'_>,
    policy: &Policy,
    tick: Option<Millis>,
    population: Option<&Population>,
) -> Standing {
    match &policy.method {
        Method::Score(parts) => by_score(book, policy, parts, tick),
        Method::Relative(rule) => by_place(book, policy, rule, tick, population),
        Method::Lifecycle(rules) => by_stage(book, policy, rules, tick),
    }
}

/// The population of a relative policy, with the metric's values; `None`: the policy isn't relative.
///
/// "By default: customers with at least one counting order in the window."
pub(crate) fn population<'b, 'a: 'b>(
    books: impl Iterator<Item = &'b Book<'a>>,
    policy: &Policy,
    tick: Millis,
) -> Option<Population> {
    let Method::Relative(rule) = &policy.method else { return None };
    let inside = books.filter(|book| is_inside(book, policy, rule, Some(tick)));
    Some(Population::of(inside.map(|book| value(book, policy, rule, Some(tick))).collect()))
}

fn is_inside(book: &Book<'_>, policy: &Policy, rule: &RankRule, tick: Option<Millis>) -> bool {
    !orders_within(book, policy, tick, rule.metric.days).is_empty()
}

fn value(book: &Book<'_>, policy: &Policy, rule: &RankRule, tick: Option<Millis>) -> i128 {
    // Only net sales and orders can be ranked: both always have data and are whole.
    measure(book, policy, rule.metric, tick).unwrap_or(Fraction::ZERO).round_half_even()
}

fn by_score(book: &Book<'_>, policy: &Policy, parts: &[Part], tick: Option<Millis>) -> Standing {
    let values: Vec<Option<Fraction>> = parts.iter().map(|part| measure(book, policy, part.metric, tick)).collect();
    let mut metrics = BTreeMap::new();
    for (part, value) in parts.iter().zip(&values) {
        if let Some(value) = value {
            let kind = part.metric.measure;
            metrics.entry(kind.name().to_owned()).or_insert_with(|| shown(kind, *value, policy));
        }
    }
    let score = score(parts, &values, policy.missing);
    Standing {
        tier: policy.tier_name(tier_of_score(policy, score.points_e4)).to_owned(),
        score_e4: Some(score.points_e4),
        metrics,
        coverage_e4: score.coverage_e4,
        missing: score.missing,
    }
}

fn by_place(
    book: &Book<'_>,
    policy: &Policy,
    rule: &RankRule,
    tick: Option<Millis>,
    population: Option<&Population>,
) -> Standing {
    let value = value(book, policy, rule, tick);
    let tier = if is_inside(book, policy, rule, tick) {
        tier_of_value(policy, rule, value, population)
    } else {
        policy.outside
    };
    let kind = rule.metric.measure;
    let metrics = BTreeMap::from([(kind.name().to_owned(), shown(kind, Fraction::new(value, 1), policy))]);
    unscored(policy.tier_name(tier), metrics)
}

fn by_stage(book: &Book<'_>, policy: &Policy, rules: &LifecycleRules, tick: Option<Millis>) -> Standing {
    let pace = lifecycle::pace(book, policy.counts_when, &policy.zone, tick);
    let mut metrics = BTreeMap::new();
    if let Some(pace) = &pace {
        metrics.insert("silence_days".to_owned(), Shown::Count(pace.silence));
        metrics.insert("order_days".to_owned(), Shown::Count(pace.order_days));
    }
    unscored(lifecycle::stage(pace.as_ref(), rules).name(), metrics)
}

fn unscored(tier: &str, metrics: BTreeMap<String, Shown>) -> Standing {
    Standing { tier: tier.to_owned(), score_e4: None, metrics, coverage_e4: WHOLE_E4, missing: Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{at, book, lifecycle, of_c, order, policy, scorecard};

    #[test]
    fn a_score_shows_what_it_rests_on() {
        let facts = [
            order("1", "c", "2010-01-01T00:00:00Z", "o", "250000.00"),
            of_c("2", "interaction.recorded", "2010-01-02T00:00:00Z", json!({"channel": "visit"})),
        ];
        let standing = evaluate(&book(&facts), &scorecard("reweigh"), Some(at("2010-02-01T00:00:00Z")), None);
        let count = |name: &str, count| (name.to_owned(), Shown::Count(count));
        let net_sales = ("net_sales".to_owned(), Shown::Decimal("250000.00".to_owned()));
        assert_eq!(standing.metrics, BTreeMap::from([count("orders", 1), count("interactions", 1), net_sales]));
        // × 100 ÷ 70: 25 → 35.7143; 15/12 = 1.25 → 1.785714 → 1.7857; 5/24 = 0.208333 → 0.297619 → 0.2976
        assert_eq!(standing.score_e4, Some(357_143 + 17_857 + 2_976));
        assert_eq!((standing.tier.as_str(), standing.coverage_e4), ("E", 7_000));
        assert_eq!(standing.missing, ["collection", "breadth"]);
    }

    #[test]
    fn a_customer_outside_the_population_has_the_outside_tier() {
        let text = "outside = \"none\"\n[relative]\nmetric = \"orders\"\nwindow_days = 30\nby = \"rank\"\n\
            [[tiers]]\nname = \"top\"\nbelow = \"0.5\"\n[[tiers]]\nname = \"none\"\n[[tiers]]\nname = \"low\"\n";
        let policy = policy(&text.replace("name = \"none\"\n", "name = \"none\"\nbelow = \"0.9\"\n"));
        let facts = [order("1", "c", "2010-01-01T00:00:00Z", "o", "1.00")];
        let book = book(&facts);
        let (inside, left) = (at("2010-01-30T23:59:59.999Z"), at("2010-01-31T00:00:00Z"));
        let tier = |tick| evaluate(&book, &policy, tick, None).tier;
        assert_eq!(tier(None), "low", "inside, before the first cut-points: the lowest");
        assert_eq!(tier(Some(inside)), "low");
        assert_eq!(tier(Some(left)), "none");
        let size = |tick| {
            population([&book].into_iter(), &policy, tick).map(|p| p.place(tiermesh_domain::policy::RankBy::Rank, 0))
        };
        assert_eq!(size(inside), Some(Fraction::ONE), "one customer, who has more than 0 orders");
        assert_eq!(size(left), Some(Fraction::ZERO), "nobody is left");
    }

    #[test]
    fn stages_show_silence() {
        let facts = [order("1", "c", "2010-01-01T10:00:00Z", "o", "1.00")];
        let standing = evaluate(&book(&facts), &lifecycle(), Some(at("2010-05-01T00:00:00Z")), None);
        assert_eq!((standing.tier.as_str(), standing.metrics["silence_days"].clone()), ("dormant", Shown::Count(120)));
        let nobody = evaluate(&book(&[]), &lifecycle(), None, None);
        assert_eq!((nobody.tier.as_str(), nobody.metrics.len(), nobody.coverage_e4), ("potential", 0, 10_000));
    }
}
