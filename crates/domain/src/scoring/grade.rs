//! Grading: which tier a customer reaches under a policy, right now.

use smallvec::SmallVec;

use super::{
    ActivePolicy, Customer, Ranked, Scoring,
    plan::CutPointsInForce,
    points::{Stretch, points, share},
    views::window_start,
};
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
            Method::Score(parts) => {
                let mut graded = Vec::with_capacity(parts.len());
                let score = self.score(policy, parts, |part| graded.push(part));
                Grade { tier: reached(policy, score), score_e4: Some(score), parts: graded }
            }
            Method::Relative(_) | Method::Lifecycle(_) => {
                Grade { tier: self.tier(), score_e4: None, parts: Vec::new() }
            }
        }
    }

    /// The tier alone, without what it rests on; `None`: the tier that stands is left standing.
    pub(crate) fn tier(&self) -> Option<usize> {
        let policy = &*self.active.policy;
        match &policy.method {
            Method::Score(parts) => reached(policy, self.score(policy, parts, |_| {})),
            Method::Relative(rule) => self.place(policy, rule),
            Method::Lifecycle(rules) => Some(self.stage(policy, rules)),
        }
    }

    /// The score, in ten-thousandths of a point; `each` is given what the parts give.
    fn score(&self, policy: &Policy, parts: &[Part], mut each: impl FnMut(PartGrade)) -> i64 {
        let plan = &self.active.plan;
        let mut values: SmallVec<[Option<Fraction>; 8]> = SmallVec::new();
        let mut present = 0;
        for (part, sales) in parts.iter().zip(&plan.sales) {
            let value = self.measure(part.metric, *sales);
            present += if value.is_some() { part.weight_e4 } else { 0 };
            values.push(value);
        }
        // Left out parts' points go to the others in proportion.
        let stretch = match policy.missing {
            Missing::Reweigh if present != plan.total_weight => Stretch { total: plan.total_weight, present },
            _ => Stretch::NONE,
        };
        let mut score = 0;
        for ((part, slope), value) in parts.iter().zip(&plan.slopes).zip(values) {
            let points_e4 = match (value, policy.missing) {
                (Some(value), _) => points(part, *slope, value, stretch),
                (None, Missing::Full) => share(part, Fraction::ONE, stretch),
                (None, Missing::Zero | Missing::Reweigh) => 0,
            };
            score += points_e4;
            each(PartGrade { points_e4, value });
        }
        score
    }

    fn place(&self, policy: &Policy, rule: &RankRule) -> Option<usize> {
        let Some(cut_points) = &self.active.cut_points else {
            // Nothing is decided yet: what stands is left standing.
            let stands = self.customer.standings.get(self.active.name).is_some();
            let outside = self.ranked_value(rule).is_none();
            return (!stands).then(|| if outside { policy.outside } else { policy.lowest() });
        };
        Some(match self.ranked_value(rule) {
            None => policy.outside,
            Some(value) if rule.positive_only && value <= 0 => policy.lowest(),
            Some(value) => place_of(value, cut_points, policy.lowest()),
        })
    }

    fn stage(&self, policy: &Policy, rules: &LifecycleRules) -> usize {
        let pace = self.active.plan.pace.and_then(|at| self.customer.paces.get(at));
        let stage = pace.map_or(Stage::Potential, |pace| pace.stage(self.now, rules, &policy.zone));
        // The stages of a lifecycle stand in the order of `Stage`: the policy's check sees to it.
        stage as usize
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
        let start = || window_start(self.now, metric.days);
        match metric.measure {
            Measure::NetSales => whole(self.customer.sales.get(sales?)?.value),
            Measure::Orders => whole(i128::from(self.customer.sales.get(sales?)?.orders)),
            Measure::Categories => {
                let breadth = self.customer.sales.get(sales?)?.breadth.as_ref();
                whole(breadth?.categories()? as i128)
            }
            Measure::Interactions => policy
                .inputs
                .contains(&Input::Interactions)
                .then(|| Fraction::new(self.customer.ledger.interactions_after(start()) as i128, 1)),
            Measure::CollectionRate => {
                let now = self.now.filter(|_| policy.inputs.contains(&Input::Invoices))?;
                let receivables = self.customer.ledger.receivables();
                if receivables.has_no_invoices() {
                    return None;
                }
                let collection = receivables.collection(start(), now, &policy.zone, &policy.valuation, self.names)?;
                // In millionths: the unit of a part's bounds.
                Some(Fraction::new(collection.paid * 1_000_000, collection.due))
            }
        }
    }
}

fn reached(policy: &Policy, score: i64) -> Option<usize> {
    policy.tiers.iter().position(|tier| tier.bound.is_none_or(|bound| score >= bound))
}

impl Ranked {
    /// The value by which a customer is ranked.
    pub(super) fn value(&self, customer: &Customer) -> Option<i64> {
        ranked_value(customer.sales.get(self.sales)?, self.by_orders)
    }
}

/// The value by which a window's owner is ranked: `None` without a counting order in it.
fn ranked_value(sales: &super::SalesWindow, by_orders: bool) -> Option<i64> {
    let bounded = |value: i128| value.clamp(i128::from(i64::MIN + 1), i128::from(i64::MAX)) as i64;
    (sales.orders > 0).then(|| if by_orders { sales.orders } else { bounded(sales.value) })
}

/// The best tier whose cut-point the value reaches.
fn place_of(value: i64, cut_points: &CutPointsInForce, lowest: usize) -> usize {
    let value = quantise(value);
    cut_points.values.iter().position(|cut| cut.is_some_and(|cut| value >= cut)).unwrap_or(lowest)
}
