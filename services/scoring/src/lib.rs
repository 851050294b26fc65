//! scoring: the value of a customer. Folds `customer.events` to tier changes, and summaries to cut-points.
//!
//! | processor | input | says |
//! | --- | --- | --- |
//! | `scoring` | `customer.events`, every partition | `tier.changes`, `scoring.summaries`, conflicts |
//! | `cut-points` | `scoring.summaries`, its one partition | cut-points, to `control` |
//!
//! Whichever instance the group gives the one partition of summaries is the coordinator; no one elects it.
#![forbid(unsafe_code)]

use tiermesh_domain::{rank::Coordinator, scoring::Scoring};
use tiermesh_event_log::topics::{CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS, SCORING_SUMMARIES, TIER_CHANGES};
use tiermesh_processing::{Processor, RunError, ServiceContext, run_service};

/// Folds facts to tiers.
#[derive(Debug, Clone, Copy)]
pub struct ScoringProcessor {
    /// How many partitions the mesh has.
    pub partitions: u32,
}

impl Processor for ScoringProcessor {
    type Fold = Scoring;

    fn service(&self) -> &'static str {
        "scoring"
    }

    fn input(&self) -> &'static str {
        CUSTOMER_EVENTS.name
    }

    fn outputs(&self, partition: u32) -> Vec<(&'static str, u32)> {
        vec![(TIER_CHANGES.name, partition), (SCORING_SUMMARIES.name, 0), (DEAD_LETTERS.name, partition)]
    }

    fn fold(&self) -> Scoring {
        Scoring::new(self.partitions)
    }
}

/// Folds summaries to cut-points.
#[derive(Debug, Clone, Copy)]
pub struct CutPointsProcessor;

impl Processor for CutPointsProcessor {
    type Fold = Coordinator;

    fn service(&self) -> &'static str {
        "cut-points"
    }

    fn input(&self) -> &'static str {
        SCORING_SUMMARIES.name
    }

    fn outputs(&self, _partition: u32) -> Vec<(&'static str, u32)> {
        vec![(CONTROL.name, 0)]
    }

    fn fold(&self) -> Coordinator {
        Coordinator::default()
    }
}

/// Runs scoring until it is told to stop.
///
/// # Errors
/// [`RunError`] that only a person can mend.
pub async fn run(context: ServiceContext) -> Result<(), RunError> {
    let partitions = context.log.partitions(CUSTOMER_EVENTS.name).await?;
    let scoring = run_service(ScoringProcessor { partitions }, context.clone());
    let cut_points = run_service(CutPointsProcessor, context);
    tokio::try_join!(scoring, cut_points).map(|_| ())
}
