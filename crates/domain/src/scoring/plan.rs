//! A policy in force: which views and ranks it looks at, and the cut-points it goes by.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Ranked, Scoring,
    points::Slope,
    qualify::ReviewDue,
    views::{PaceSpec, SalesSpec, SalesView},
};
use crate::{
    names::NameId,
    policy::{Measure, Method, Metric, Policy},
    rank::RankedMembers,
    time::Millis,
};

/// A policy in force.
#[derive(Debug, Clone)]
pub struct ActivePolicy {
    /// The policy.
    pub policy: Arc<Policy>,
    /// As it was activated.
    pub text: String,
    /// The number of its name.
    pub name: NameId,
    /// The numbers of its tiers' names, best first.
    pub(crate) tiers: Vec<NameId>,
    /// The cut-points it goes by, if it is relative and has got some.
    pub cut_points: Option<CutPointsInForce>,
    /// The boundary that was reported last and whose cut-points haven't come yet.
    pub(crate) awaiting: Option<Millis>,
    /// Customers that time moved since: they are tiered when those cut-points come.
    pub(crate) moved: BTreeSet<u32>,
    /// The review that waits for cut-points, if the policy is relative.
    pub(crate) review_due: Option<ReviewDue>,
    pub(crate) plan: Plan,
}

/// Cut-points in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutPointsInForce {
    /// The boundary they belong to.
    pub as_of: Millis,
    /// The least quantised value that reaches each tier but the last; `None`: no value does.
    pub values: Vec<Option<i64>>,
}

/// Where a policy finds what it measures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// For each metric of the policy, in its order: the sales view, where it uses one.
    pub(crate) sales: Vec<Option<usize>>,
    /// For each part of a score.
    pub(crate) slopes: Vec<Slope>,
    /// Of all parts of a score.
    pub(crate) total_weight: i64,
    /// The pace view, for a lifecycle.
    pub(crate) pace: Option<usize>,
    /// The ranked metric, for a relative policy.
    pub(crate) ranked: Option<String>,
}

impl ActivePolicy {
    /// The metrics the policy looks at.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        match &self.policy.method {
            Method::Score(parts) => parts.iter().map(|part| part.metric).collect(),
            Method::Relative(rule) => vec![rule.metric],
            Method::Lifecycle(_) => Vec::new(),
        }
    }
}

/// Views that someone beside the policies looks at; they stand first.
#[derive(Debug, Clone, Default)]
pub struct Required {
    /// Sales views.
    pub sales: Vec<SalesSpec>,
    /// Pace views.
    pub paces: Vec<PaceSpec>,
}

impl Scoring {
    /// Has these views kept too, in front of all others.
    pub(crate) fn require(&mut self, required: Required) {
        self.required = required;
        self.replan();
    }

    /// Plans all policies anew, and makes every view anew: what is looked at depends on the policies in force and on
    /// nothing that was in force before. Costs a pass over all facts; happens when a policy is activated.
    pub(crate) fn replan(&mut self) {
        let mut views = Views { sales: Vec::new(), paces: self.required.paces.clone() };
        for spec in &self.required.sales {
            views.sales(spec.clone(), false);
        }
        let mut ranked: BTreeMap<String, Ranked> = BTreeMap::new();
        for active in &mut self.policies {
            active.plan = views.plan(&active.policy);
            let (Method::Relative(rule), Some(Some(sales))) = (&active.policy.method, active.plan.sales.first()) else {
                continue;
            };
            let name = ranked_name(&active.policy, rule.metric);
            let by_orders = rule.metric.measure == Measure::Orders;
            ranked.entry(name.clone()).or_insert(Ranked {
                sales: *sales,
                by_orders,
                members: RankedMembers::default(),
            });
            active.plan.ranked = Some(name);
        }
        let before = std::mem::replace(&mut self.ranked, ranked);
        (self.sales_views, self.pace_specs) = (views.sales, views.paces);
        let mut reported = Vec::new();
        for (name, mut ranked) in before {
            if !self.ranked.contains_key(&name) {
                // Nobody ranks by it any more. What was reported is taken back, or it would count twice if it returned.
                for (at, customer) in (0..).zip(self.customers.values()) {
                    ranked.members.shift(at, ranked.value(customer), None);
                }
            }
            reported.push((name, ranked.members.changes()));
        }
        self.derive_all();
        for (name, changes) in reported {
            match self.ranked.get_mut(&name) {
                // What was reported before stays reported.
                Some(kept) => kept.members.restore_changes(changes),
                None => {
                    self.withdrawn.insert(name, changes);
                }
            }
        }
        for (name, ranked) in &mut self.ranked {
            self.withdrawn.remove(name).into_iter().for_each(|changes| ranked.members.add_changes(changes));
        }
    }

    fn derive_all(&mut self) {
        for at in 0..self.customers.len() as u32 {
            if let Some((_, customer)) = self.customers.get_index_mut(at as usize) {
                customer.derive(&self.sales_views, &self.pace_specs, &self.names, self.time);
                for ranked in self.ranked.values_mut() {
                    ranked.members.shift(at, None, ranked.value(customer));
                }
            }
            let due = self.next_change(at);
            if let Some((_, customer)) = self.customers.get_index_mut(at as usize) {
                customer.due = due;
            }
        }
        self.calendar =
            (0..).zip(self.customers.values()).filter_map(|(at, customer)| Some((customer.due?, at))).collect();
    }
}

struct Views {
    sales: Vec<SalesView>,
    paces: Vec<PaceSpec>,
}

impl Views {
    fn plan(&mut self, policy: &Policy) -> Plan {
        let mut plan = Plan::default();
        let metrics: Vec<Metric> = match &policy.method {
            Method::Score(parts) => parts.iter().map(|part| part.metric).collect(),
            Method::Relative(rule) => vec![rule.metric],
            Method::Lifecycle(_) => {
                plan.pace = Some(self.pace(PaceSpec { counts_when: policy.counts_when, zone: policy.zone.clone() }));
                Vec::new()
            }
        };
        let valuation = Arc::new(policy.valuation.clone());
        for metric in metrics {
            // Breadth counts orders of a window too: the view says when one leaves.
            let uses_sales = matches!(metric.measure, Measure::NetSales | Measure::Orders | Measure::Categories);
            plan.sales.push(uses_sales.then(|| {
                let valuation = Arc::clone(&valuation);
                let spec = SalesSpec { days: metric.days, counts_when: policy.counts_when, valuation };
                self.sales(spec, metric.measure == Measure::Categories)
            }));
        }
        if let Method::Score(parts) = &policy.method {
            plan.slopes = parts.iter().map(Slope::of).collect();
            plan.total_weight = parts.iter().map(|part| part.weight_e4).sum();
        }
        plan
    }

    fn sales(&mut self, spec: SalesSpec, with_breadth: bool) -> usize {
        let known = self.sales.iter().position(|known| known.spec == spec);
        let at = known.unwrap_or_else(|| {
            self.sales.push(SalesView { spec, with_breadth: false });
            self.sales.len() - 1
        });
        self.sales[at].with_breadth |= with_breadth;
        at
    }

    fn pace(&mut self, spec: PaceSpec) -> usize {
        let same = |known: &PaceSpec| known.counts_when == spec.counts_when && known.zone.name() == spec.zone.name();
        self.paces.iter().position(same).unwrap_or_else(|| {
            self.paces.push(spec);
            self.paces.len() - 1
        })
    }
}

/// Names a ranked metric so that policies that rank by the same thing share it, and others don't.
fn ranked_name(policy: &Policy, metric: Metric) -> String {
    let rates: Vec<String> =
        policy.valuation.rates_millionths.iter().map(|(code, rate)| format!("{code}={rate}")).collect();
    let currency = &policy.valuation.currency;
    format!("{}/{}d/{:?}/{currency}/{}", metric.measure.name(), metric.days, policy.counts_when, rates.join(","))
}
