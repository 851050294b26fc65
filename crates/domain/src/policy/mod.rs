//! Policies: what decides a customer's tier, as data. Read from TOML, checked, never run as code.

mod detectors;
mod document;
mod raw;
mod read_detectors;
mod read_tiers;
mod review;
#[cfg(test)]
mod tests;
mod tiers;

pub use detectors::{AtStake, ComplaintRise, DetectorSettings, FrequencyDrop, Silence};
pub use document::{Document, PolicyError, parse};
pub use review::{Moment, Qualification, Review};
pub use tiers::{
    CountsWhen, Input, LifecycleRules, Measure, Method, Metric, Missing, Part, Policy, RankBy, RankRule, Tier,
    Valuation,
};
