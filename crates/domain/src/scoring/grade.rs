//! Grading: which tier a customer reaches under a policy, right now.

use super::{ActivePolicy, Customer, Scoring, plan::CutPointsInForce, views::window_start};
use crate::{
    exact::Fraction,
    lifecycle::Stage,
    names::Names,
    policy::{Input, LifecycleRules, Measure, Method, Metric, Missing, Part, Policy, RankRule},
    rank::quantise,
    time::Millis,
};

/// What a customer reaches under a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grade {
    /// The tier's place, best first; `None`: the tier that stands is left standing.
    pub tier: Option<usize>,
    /// Ten-thousandths of a point, where the policy has a score.
    pub score_e4: Option<i64>,
    /// Its parts, where the policy has a score.
    pub parts: Vec<PartGrade>,
}

/// What a part of a score gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartGrade {
    /// Ten-thousandths of a point.
    pub points_e4: i64,
    /// What was measured, in the metric's own unit; `None`: there is no data.
    pub value: Option<Fraction>,
}

/// What grading needs to see.
pub(crate) struct Sight<'a> {
    pub(crate) names: &'a Names,
    pub(crate) now: Option<Millis>,
    pub(crate) customer: &'a Customer,
    pub(crate) active: &'a ActivePolicy,
}

impl Scoring {
    /// Grades a customer under a policy in force.
    pub(crate) fn sight<'a>(&'a self, customer: &'a Customer, active: &'a ActivePolicy) -> Sight<'a> {
        Sight { names: &self.names, now: self.time, customer, active }
    }
}

impl Sight<'_> {
    /// The customer's grade.
    pub(crate) fn grade(&self) -> Grade {
        let policy = &*self.active.policy;
        match &policy.method {
            Method::Score(parts) => self.score(policy, parts),
            Method::Relative(rule) => self.relative(policy, rule),
            Method::Lifecycle(rules) => self.lifecycle(policy, rules),
        }
    }

    fn score(&self, policy: &Policy, parts: &[Part]) -> Grade {
        let values: Vec<Option<Fraction>> =
            parts.iter().zip(&self.active.plan.sales).map(|(part, sales)| self.measure(part.metric, *sales)).collect();
        let total: i64 = parts.iter().map(|part| part.weight_e4).sum();
        let present: i64 =
            parts.iter().zip(&values).filter(|(_, value)| value.is_some()).map(|(part, _)| part.weight_e4).sum();
        // Left out parts' points go to the others in proportion.
        let stretch = match policy.missing {
            Missing::Reweigh => Fraction::new(i128::from(total), i128::from(present)),
            Missing::Zero | Missing::Full => Fraction::ONE,
        };
        let graded: Vec<PartGrade> = parts
            .iter()
            .zip(values)
            .map(|(part, value)| {
                let share = match (value, policy.missing) {
                    (Some(value), _) => part.share_of(value).clamped(),
                    (None, Missing::Full) => Fraction::ONE,
                    (None, Missing::Zero | Missing::Reweigh) => Fraction::ZERO,
                };
                let points = share.times(Fraction::new(i128::from(part.weight_e4), 1)).times(stretch);
                PartGrade { points_e4: points.round_half_even() as i64, value }
            })
            .collect();
        let score: i64 = graded.iter().map(|part| part.points_e4).sum();
        let reached = policy.tiers.iter().position(|tier| tier.bound.is_none_or(|bound| score >= bound));
        Grade { tier: reached, score_e4: Some(score), parts: graded }
    }

    fn relative(&self, policy: &Policy, rule: &RankRule) -> Grade {
        let only = |tier| Grade { tier, score_e4: None, parts: Vec::new() };
        let Some(cut_points) = &self.active.cut_points else {
            // Nothing is decided yet: what stands is left standing.
            let stands = self.customer.standings.contains_key(&self.active.name);
            let outside = self.ranked_value(rule).is_none();
            return only((!stands).then(|| if outside { policy.outside } else { policy.lowest() }));
        };
        match self.ranked_value(rule) {
            None => only(Some(policy.outside)),
            Some(value) if rule.positive_only && value <= 0 => only(Some(policy.lowest())),
            Some(value) => only(Some(place_of(value, cut_points, policy.lowest()))),
        }
    }

    fn lifecycle(&self, policy: &Policy, rules: &LifecycleRules) -> Grade {
        let pace = self.active.plan.pace.and_then(|at| self.customer.paces.get(at));
        let stage = pace.map_or(Stage::Potential, |pace| pace.stage(self.now, rules, &policy.zone));
        // The stages of a lifecycle stand in the order of `Stage`: the policy's check sees to it.
        Grade { tier: Some(stage as usize), score_e4: None, parts: Vec::new() }
    }

    /// The value by which a customer is ranked; `None`: outside the population.
    fn ranked_value(&self, rule: &RankRule) -> Option<i64> {
        let sales = self.customer.sales.get((*self.active.plan.sales.first()?)?)?;
        ranked_value(sales, rule.metric.measure == Measure::Orders)
    }

    /// A metric's value in its own unit; `None`: there is no data.
    pub(crate) fn measure(&self, metric: Metric, sales: Option<usize>) -> Option<Fraction> {
        let policy = &*self.active.policy;
        let whole = |number: i128| Some(Fraction::new(number, 1));
        let start = window_start(self.now, metric.days);
        match metric.measure {
            Measure::NetSales => whole(self.customer.sales.get(sales?)?.value),
            Measure::Orders => whole(i128::from(self.customer.sales.get(sales?)?.orders)),
            Measure::Categories => {
                let categories = self.customer.ledger.orders.categories_after(start, policy.counts_when)?;
                whole(categories as i128)
            }
            Measure::Interactions => policy
                .inputs
                .contains(&Input::Interactions)
                .then(|| Fraction::new(self.customer.ledger.interactions_after(start) as i128, 1)),
            Measure::CollectionRate => {
                let now = self.now.filter(|_| policy.inputs.contains(&Input::Invoices))?;
                let receivables = &self.customer.ledger.receivables;
                let collection = receivables.collection(start, now, &policy.zone, &policy.valuation, self.names)?;
                // In millionths: the unit of a part's bounds.
                Some(Fraction::new(collection.paid * 1_000_000, collection.due))
            }
        }
    }
}

/// The value by which a window's owner is ranked: `None` without a counting order in it.
pub(crate) fn ranked_value(sales: &super::SalesWindow, by_orders: bool) -> Option<i64> {
    let bounded = |value: i128| value.clamp(i128::from(i64::MIN + 1), i128::from(i64::MAX)) as i64;
    (sales.orders > 0).then(|| if by_orders { sales.orders } else { bounded(sales.value) })
}

/// The best tier whose cut-point the value reaches.
fn place_of(value: i64, cut_points: &CutPointsInForce, lowest: usize) -> usize {
    let value = quantise(value);
    cut_points.values.iter().position(|cut| cut.is_some_and(|cut| value >= cut)).unwrap_or(lowest)
}
