//! What scoring can say of customers: the lines of `customers.ndjson`, and where one stands and why.

use tiermesh_proto::v1::{MetricValue, StandingTier};

use super::{ActivePolicy, Scoring, grade::Sight};
use crate::{
    explain::{Card, ExplainedCutPoints, ExplainedStanding, TierFrom},
    time::Millis,
};

/// Where one customer stands under one policy.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerStanding {
    /// The customer.
    pub customer: String,
    /// The policy's programme.
    pub programme: String,
    /// The policy.
    pub policy: String,
    /// Its version.
    pub version: u32,
    /// The tier.
    pub tier: String,
    /// Ten-thousandths of a point, where the policy has a score.
    pub score_e4: Option<i64>,
    /// The time of the fact or tick that gave the tier.
    pub since: Millis,
    /// The values that the tier rests on.
    pub metrics: Vec<MetricValue>,
    /// Ten-thousandths.
    pub coverage_e4: u32,
    /// Parts without data.
    pub missing: Vec<String>,
}

impl Scoring {
    /// Everybody's standings, by customer and policy.
    pub fn standings(&self) -> Vec<CustomerStanding> {
        let mut standings = Vec::with_capacity(self.customers.len() * self.policies.len());
        for (subject, customer) in &self.customers {
            for active in &self.policies {
                let Some(standing) = customer.standings.get(active.name) else { continue };
                let sight = self.sight(customer, active);
                let grade = sight.grade();
                let (coverage_e4, missing) = sight.coverage(&grade);
                standings.push(CustomerStanding {
                    customer: subject.to_string(),
                    programme: active.policy.programme.clone(),
                    policy: active.policy.name.clone(),
                    version: active.policy.version,
                    tier: self.names.text(standing.tier).to_owned(),
                    score_e4: grade.score_e4,
                    since: standing.since,
                    metrics: sight.metrics(&grade),
                    coverage_e4,
                    missing,
                });
            }
        }
        crate::lines::sort_customers(&mut standings);
        standings
    }

    /// Where one customer stands, by policy, and why.
    pub(crate) fn explain(&self, subject: &str) -> Vec<ExplainedStanding> {
        let Some(customer) = self.customers.get(subject) else { return Vec::new() };
        let explained = |active: &ActivePolicy| {
            let policy = &*active.policy;
            let standing = customer.standings.get(active.name)?;
            let sight = self.sight(customer, active);
            let grade = sight.grade();
            let (coverage_e4, missing) = sight.coverage(&grade);
            let tier = self.names.text(standing.tier);
            let reached = grade.tier.map_or(tier, |reached| policy.tier_name(reached));
            Some(ExplainedStanding {
                programme: policy.programme.clone(),
                policy: policy.name.clone(),
                version: policy.version,
                tier: tier.to_owned(),
                since_ms: Some(standing.since),
                reached: reached.to_owned(),
                review_at_ms: standing.waits.then(|| self.next_review(active)).flatten(),
                score_e4: grade.score_e4,
                contributions: sight.contributions(&grade),
                metrics: sight.metrics(&grade),
                coverage_e4,
                missing,
                cut_points: explained_cut_points(&sight),
            })
        };
        self.policies.iter().filter_map(explained).collect()
    }

    /// When what waits is decided.
    fn next_review(&self, active: &ActivePolicy) -> Option<Millis> {
        let due = active.review_due.map(|due| due.boundary);
        let policy = &*active.policy;
        due.or_else(|| policy.qualification.review.next_end(self.time?, &policy.zone))
    }

    /// Who a customer is to the business.
    pub(crate) fn card_of(&self, subject: &str) -> Card {
        let card = self.customers.get(subject).map(|customer| customer.ledger.card()).unwrap_or_default();
        Card { owner: card.owner, region: card.region, language: card.language }
    }

    /// The tiers that one customer has, by policy.
    pub fn tiers_of(&self, at: u32) -> Vec<StandingTier> {
        let Some((_, customer)) = self.customers.get_index(at as usize) else { return Vec::new() };
        let policies = self.policies.iter();
        policies
            .filter_map(|active| {
                Some(StandingTier {
                    programme: active.policy.programme.clone(),
                    policy: active.policy.name.clone(),
                    tier: self.names.text(customer.standings.get(active.name)?.tier).to_owned(),
                })
            })
            .collect()
    }
}

fn explained_cut_points(sight: &Sight<'_>) -> Option<ExplainedCutPoints> {
    let cut_points = sight.active.cut_points.as_ref()?;
    let tiers = sight.active.policy.tiers.iter().zip(&cut_points.values);
    Some(ExplainedCutPoints {
        as_of_ms: Some(cut_points.as_of),
        tiers: tiers
            .map(|(tier, at_least)| TierFrom {
                tier: tier.name.clone(),
                at_least: at_least.and_then(|v| sight.ranked_text(v)),
            })
            .collect(),
    })
}
