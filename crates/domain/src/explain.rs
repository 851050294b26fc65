//! Why a customer stands where it stands: a fold of the log for one customer alone, and what it says at the end.
//!
//! It is the fold of churn-warning, scoring included, that is given no other customer's facts. Others reach a customer
//! by cut-points alone, which stand in the log: so it says of this one what the fold of everybody says.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use tiermesh_proto::v1::{Contribution, CustomerEvent, MetricValue, customer_event::Event};

use crate::{
    fold::{Fold, FoldError},
    lines,
    signals::ChurnWarning,
    time::{Millis, format_instant},
};

/// Where one customer stands, and why. As JSON it has the style of the lines that `simulate` writes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The customer.
    pub customer: String,
    /// The last tick; `None` before the first.
    #[serde(rename = "as_of", serialize_with = "instant")]
    pub as_of_ms: Option<Millis>,
    /// Who the customer is to the business.
    pub card: Card,
    /// By policy; empty for a customer without an accepted fact.
    pub standings: Vec<ExplainedStanding>,
    /// The loss signals that are raised, by detector.
    pub signals: Vec<OpenSignal>,
    /// The sources of its orders that are quiet now: what rests on absence is held back meanwhile.
    pub quiet_sources: Vec<String>,
}

/// Who a customer is to the business.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Who looks after it.
    pub owner: Option<String>,
    /// Where it is.
    pub region: Option<String>,
    /// What it speaks.
    pub language: Option<String>,
}

/// Where a customer stands under one policy, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedStanding {
    /// The policy's programme.
    pub programme: String,
    /// The policy.
    pub policy: String,
    /// Its version.
    pub version: u32,
    /// The tier held.
    pub tier: String,
    /// The time of the fact or tick that gave it.
    #[serde(rename = "since", serialize_with = "instant")]
    pub since_ms: Option<Millis>,
    /// The tier that the values give now: another than `tier` while a change waits for its review.
    pub reached: String,
    /// When that review is; `None` if nothing waits.
    #[serde(rename = "review_at", serialize_with = "instant")]
    pub review_at_ms: Option<Millis>,
    /// Ten-thousandths of a point, where the policy has a score.
    #[serde(rename = "score", serialize_with = "ten_thousandths")]
    pub score_e4: Option<i64>,
    /// What each part gives to the score.
    #[serde(serialize_with = "contributions")]
    pub contributions: Vec<Contribution>,
    /// The values that the tier rests on.
    #[serde(serialize_with = "metrics")]
    pub metrics: Vec<MetricValue>,
    /// The share of the weights that has data, in ten-thousandths.
    #[serde(rename = "coverage", serialize_with = "share")]
    pub coverage_e4: u32,
    /// Parts without data.
    pub missing: Vec<String>,
    /// The cut-points it goes by, where the policy is relative and has got some.
    pub cut_points: Option<ExplainedCutPoints>,
}

/// The cut-points in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedCutPoints {
    /// The boundary they belong to.
    #[serde(rename = "as_of", serialize_with = "instant")]
    pub as_of_ms: Option<Millis>,
    /// One for each tier but the last, best first.
    pub tiers: Vec<TierFrom>,
}

/// From which value on a tier is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierFrom {
    /// The tier.
    pub tier: String,
    /// In the metric's own unit, or `any`: every value does; `None`: no value reaches it now.
    pub at_least: Option<String>,
}

/// A loss signal that is raised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenSignal {
    /// What raised it.
    pub detector: String,
    /// Since when.
    #[serde(rename = "since", serialize_with = "instant")]
    pub since_ms: Option<Millis>,
    /// What was seen when it was last told.
    pub observed: i64,
    /// What was expected when it was raised.
    pub expected: f64,
    /// Over how many days, where the detector has a window.
    pub window_days: Option<u32>,
    /// How improbable that is.
    pub p: Option<f64>,
}

/// A fold of `customer.events` for one customer.
#[derive(Debug)]
pub struct CustomerFold {
    customer: String,
    fold: ChurnWarning,
}

impl CustomerFold {
    /// The state before the first record of the customer's partition, in a mesh of so many.
    pub fn new(partitions: u32, customer: &str) -> Self {
        Self { customer: customer.to_owned(), fold: ChurnWarning::new(partitions) }
    }

    /// Takes in one record of the partition; facts of other customers change nothing.
    ///
    /// # Errors
    /// [`FoldError`] if this release can't fold it.
    pub fn take(&mut self, event: &CustomerEvent) -> Result<(), FoldError> {
        match &event.event {
            Some(Event::Fact(fact)) if fact.subject != self.customer => Ok(()),
            _ => self.fold.apply(event, &mut Vec::new()),
        }
    }

    /// Where the customer stands after the records so far.
    pub fn explanation(&self) -> Explanation {
        self.fold.explain(&self.customer)
    }
}

impl ChurnWarning {
    /// Where a customer stands after the records so far, and why.
    pub fn explain(&self, customer: &str) -> Explanation {
        Explanation {
            customer: customer.to_owned(),
            as_of_ms: self.scoring().time(),
            card: self.scoring().card_of(customer),
            standings: self.scoring().explain(customer),
            signals: self.open_signals(customer),
            quiet_sources: self.quiet_sources_of(customer),
        }
    }
}

fn instant<S: Serializer>(at: &Option<Millis>, to: S) -> Result<S::Ok, S::Error> {
    at.map(format_instant).serialize(to)
}

fn ten_thousandths<S: Serializer>(score: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    score.map(|score| lines::number(score, 4)).serialize(to)
}

fn share<S: Serializer>(coverage: &u32, to: S) -> Result<S::Ok, S::Error> {
    lines::number(i64::from(*coverage), 4).serialize(to)
}

fn contributions<S: Serializer>(parts: &[Contribution], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(parts.iter().map(lines::ContributionLine::of))
}

fn metrics<S: Serializer>(metrics: &[MetricValue], to: S) -> Result<S::Ok, S::Error> {
    let shown: Map<String, Value> = lines::metrics(metrics);
    shown.serialize(to)
}
