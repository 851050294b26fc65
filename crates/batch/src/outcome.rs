//! What the batch finds.

use std::collections::BTreeMap;

use tiermesh_domain::time::Millis;

/// Everything a history leads to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// For each customer with an accepted fact and each policy, by (customer, policy).
    pub customers: Vec<CustomerTier>,
    /// Every change of a tier, by (at, customer, programme, policy).
    pub changes: Vec<Change>,
    /// Every loss signal raised and ended, by (at, customer, detector).
    pub signals: Vec<Signal>,
}

/// What a policy says of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The tier's name.
    pub tier: String,
    /// Ten-thousandths of a point; `None`: the policy has no score.
    pub score_e4: Option<i64>,
    /// The values that led to it, by metric.
    pub metrics: BTreeMap<String, Shown>,
    /// The share of weights with data, in ten-thousandths.
    pub coverage_e4: i64,
    /// The parts without data, in the policy's order.
    pub missing: Vec<String>,
}

/// A value as results show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A whole number.
    Count(i64),
    /// A decimal as text, with all its digits.
    Decimal(String),
}

/// Where a customer ends up under a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerTier {
    /// The customer.
    pub customer: String,
    /// The policy's programme.
    pub programme: String,
    /// The policy's name.
    pub policy: String,
    /// The policy's version.
    pub version: u32,
    /// The time of the fact or tick of the last change.
    pub since: Millis,
    /// The tier, and what led to it.
    pub standing: Standing,
}

/// A change of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The time of the fact or tick that made it.
    pub at: Millis,
    /// The customer.
    pub customer: String,
    /// The policy's programme.
    pub programme: String,
    /// The policy's name.
    pub policy: String,
    /// The policy's version.
    pub version: u32,
    /// The tier before; `None`: this is the first.
    pub from: Option<String>,
    /// The tier from then on.
    pub to: String,
}

/// A loss signal raised or ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// The time of the fact or tick that showed it.
    pub at: Millis,
    /// The customer.
    pub customer: String,
    /// `frequency_drop`, `silence` or `complaint_rise`.
    pub detector: &'static str,
    /// What became of it.
    pub state: SignalState,
    /// Orders, days of silence, complaints.
    pub observed: i64,
    /// What the customer's own history lets expect.
    pub expected: f64,
    /// The window in which was counted.
    pub window_days: Option<u32>,
    /// How probable the observation is.
    pub p: Option<f64>,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalState {
    /// It is raised from here on.
    Raised,
    /// Its reason is gone.
    Cleared,
    /// The customer is lost.
    Lost,
}

impl SignalState {
    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Cleared => "cleared",
            Self::Lost => "lost",
        }
    }
}
