//! A tier policy, checked: every number in it is exact, every name in it means something.

use std::collections::BTreeMap;

use super::review::{Moment, Qualification};
use crate::{
    exact::Fraction,
    money::{convert, decimals_of},
    time::{Millis, Zone},
};

/// A policy that gives every customer a tier.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name, unique in a mesh: a later activation of the same name replaces it.
    pub name: String,
    /// What the tier is about: `value`, `stage`, `credit`, …
    pub programme: String,
    /// Its version, from 1.
    pub version: u32,
    /// In which calendar days begin and end.
    pub zone: Zone,
    /// In which currency money is counted, and what others are worth.
    pub valuation: Valuation,
    /// When an order counts.
    pub counts_when: CountsWhen,
    /// What upstream is known to send; a part that needs something else has no data.
    pub inputs: Vec<Input>,
    /// What a part without data does to the score.
    pub missing: Missing,
    /// How the tier is found.
    pub method: Method,
    /// When a tier that the values give becomes the tier held.
    pub qualification: Qualification,
    /// The tiers, best first.
    pub tiers: Vec<Tier>,
    /// The tier, by its place in `tiers`, of customers outside the policy's population.
    pub outside: usize,
}

impl Policy {
    /// The name of the tier at a place, best first.
    pub fn tier_name(&self, tier: usize) -> &str {
        self.tiers.get(tier).map_or("", |tier| &tier.name)
    }

    /// Where a change leads: `first`, `up`, `down`; `other` where tiers aren't ranked, or the one before is none of them.
    pub fn direction(&self, from: Option<&str>, to: usize) -> &'static str {
        let Some(from) = from else { return "first" };
        let before = self.tiers.iter().position(|tier| tier.name == from);
        match (before, &self.method) {
            (None, _) | (_, Method::Lifecycle(_)) => "other",
            // The best stands first.
            (Some(before), _) => {
                if to < before {
                    "up"
                } else {
                    "down"
                }
            }
        }
    }

    /// Since when the period lasted whose review a tick is; `None`: the tick is none.
    pub fn review_at(&self, previous: Option<Millis>, now: Millis) -> Option<Millis> {
        self.qualification.review.ending(previous, now, &self.zone)
    }

    /// When a change in that direction is made. What has no direction waits for nothing.
    pub fn moment(&self, direction: &str) -> Moment {
        match direction {
            "up" => self.qualification.upgrade,
            "down" => self.qualification.downgrade,
            _ => Moment::Immediately,
        }
    }

    /// The place of the lowest tier.
    pub fn lowest(&self) -> usize {
        self.tiers.len().saturating_sub(1)
    }
}

/// A tier, and from where on it is reached.
#[derive(Debug, Clone)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// For scores: ten-thousandths of a point to reach. For ranks and shares: millionths to stay below. The last
    /// tier, and every tier of a lifecycle, has none.
    pub bound: Option<i64>,
}

/// How a tier is found.
#[derive(Debug, Clone)]
pub enum Method {
    /// The sum of weighted parts.
    Score(Vec<Part>),
    /// The place among all customers of the population.
    Relative(RankRule),
    /// The stage of the relationship.
    Lifecycle(LifecycleRules),
}

/// A part of a score: full points at `full_at`, none at `zero_at`, linear between.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name in explanations.
    pub name: String,
    /// What is measured, over what time.
    pub metric: Metric,
    /// Ten-thousandths of a point at most.
    pub weight_e4: i64,
    /// In the metric's own unit: minor units of money, millionths of a rate, whole numbers.
    pub zero_at: i64,
    /// As `zero_at`; above it.
    pub full_at: i64,
}

/// What is measured, over what time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// What.
    pub measure: Measure,
    /// Over how many days of 86,400 s.
    pub days: u32,
}

/// What can be measured of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Amounts of counting orders less refunds.
    NetSales,
    /// Number of counting orders.
    Orders,
    /// Number of categories with a positive net quantity.
    Categories,
    /// Number of interactions, without bulk outbound ones.
    Interactions,
    /// Payments applied to invoices due, over their amounts.
    CollectionRate,
}

impl Measure {
    /// All of them, by the name they have in policy files.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("net_sales", Self::NetSales),
        ("orders", Self::Orders),
        ("categories", Self::Categories),
        ("interactions", Self::Interactions),
        ("collection_rate", Self::CollectionRate),
    ];

    /// Its name in policy files and explanations.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, measure)| *measure == self).map_or("", |(name, _)| name)
    }
}

/// How a customer's place is found.
#[derive(Debug, Clone)]
pub struct RankRule {
    /// By what customers are compared.
    pub metric: Metric,
    /// What is compared with the tiers' bounds.
    pub by: RankBy,
    /// True: a value of 0 or below has the lowest tier, whatever its place.
    pub positive_only: bool,
}

/// What is compared with the bounds of relative tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankBy {
    /// Number strictly greater ÷ size of the population.
    Rank,
    /// Sum of the positive values strictly greater ÷ sum of all positive values.
    ShareAbove,
}

impl RankBy {
    /// All of them, by the name they have in policy files and records.
    pub const NAMES: [(&'static str, Self); 2] = [("rank", Self::Rank), ("share-above", Self::ShareAbove)];

    /// Its name in policy files and records.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, by)| *by == self).map_or("", |(name, _)| name)
    }
}

/// When silence turns into dormancy and loss. Days are calendar days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleRules {
    /// New until the first order is more than so many days ago.
    pub new_days: i64,
    /// Lost after more than the greater of this and `lost_factor` × L.
    pub lost_days: i64,
    /// See `lost_days`.
    pub lost_factor: i64,
    /// L is so many times the customer's mean distance between order days …
    pub factor: i64,
    /// … but not less than this …
    pub least_days: i64,
    /// … and not more than this.
    pub most_days: i64,
    /// L with fewer order days than `few_order_days`.
    pub default_days: i64,
    /// See `default_days`.
    pub few_order_days: i64,
}

impl Default for LifecycleRules {
    fn default() -> Self {
        Self {
            new_days: 90,
            lost_days: 365,
            lost_factor: 2,
            factor: 3,
            least_days: 30,
            most_days: 365,
            default_days: 90,
            few_order_days: 4,
        }
    }
}

/// When an order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountsWhen {
    /// Once it is placed.
    Placed,
    /// Once it is paid.
    Paid,
    /// Once it is fulfilled.
    Fulfilled,
}

impl CountsWhen {
    /// All of them, by the name they have in policy files.
    pub const NAMES: [(&'static str, Self); 3] =
        [("placed", Self::Placed), ("paid", Self::Paid), ("fulfilled", Self::Fulfilled)];
}

/// What upstream may or may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Orders and refunds.
    Orders,
    /// Invoices.
    Invoices,
    /// Payments.
    Payments,
    /// Interactions.
    Interactions,
    /// Surveys.
    Surveys,
    /// Usage.
    Usage,
}

impl Input {
    /// All of them, by the name they have in policy files.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("orders", Self::Orders),
        ("invoices", Self::Invoices),
        ("payments", Self::Payments),
        ("interactions", Self::Interactions),
        ("surveys", Self::Surveys),
        ("usage", Self::Usage),
    ];
}

/// What a part without data does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It gives no points.
    Zero,
    /// It gives all its points.
    Full,
    /// It is left out, and the rest weigh more.
    Reweigh,
}

impl Missing {
    /// All of them, by the name they have in policy files.
    pub const NAMES: [(&'static str, Self); 3] =
        [("zero", Self::Zero), ("full", Self::Full), ("reweigh", Self::Reweigh)];
}

/// What money is worth to a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valuation {
    /// The policy's currency, an ISO 4217 code.
    pub currency: String,
    /// Decimals of that currency.
    pub decimals: u32,
    /// Millionths of one unit of `currency` for one unit of another.
    pub rates_millionths: BTreeMap<String, i64>,
}

impl Valuation {
    /// The amount in minor units of the policy's currency; `None`: it is held out, there is no rate.
    pub fn value(&self, minor: i64, currency: &str) -> Option<i64> {
        if currency == self.currency {
            return Some(minor);
        }
        let rate = *self.rates_millionths.get(currency)?;
        Some(convert(minor, decimals_of(currency)?, rate, self.decimals))
    }
}

impl Part {
    /// Which share of its points a value gives, before clamping.
    pub fn share_of(&self, value: Fraction) -> Fraction {
        value.minus(i128::from(self.zero_at)).over(i128::from(self.full_at) - i128::from(self.zero_at))
    }
}
