//! What scoring can say of everybody at once: the lines of `customers.ndjson`.

use tiermesh_proto::v1::{MetricValue, StandingTier};

use super::Scoring;
use crate::time::Millis;

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
            for active in self.policies.values() {
                let Some(standing) = customer.standings.get(&active.name) else { continue };
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

    /// The tiers that one customer has, by policy.
    pub fn tiers_of(&self, at: u32) -> Vec<StandingTier> {
        let Some((_, customer)) = self.customers.get_index(at as usize) else { return Vec::new() };
        let policies = self.policies.values();
        policies
            .filter_map(|active| {
                Some(StandingTier {
                    programme: active.policy.programme.clone(),
                    policy: active.policy.name.clone(),
                    tier: self.names.text(customer.standings.get(&active.name)?.tier).to_owned(),
                })
            })
            .collect()
    }
}
