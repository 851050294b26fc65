//! churn-warning: loss signals. Folds `customer.events` to `churn.signals`.
#![forbid(unsafe_code)]

use tiermesh_domain::signals::ChurnWarning;
use tiermesh_event_log::topics::{CHURN_SIGNALS, CUSTOMER_EVENTS};
use tiermesh_processing::{Processor, RunError, ServiceContext, run_service};

/// Folds facts to loss signals.
#[derive(Debug, Clone, Copy)]
pub struct ChurnWarningProcessor {
    /// How many partitions the mesh has.
    pub partitions: u32,
}

impl Processor for ChurnWarningProcessor {
    type Fold = ChurnWarning;

    fn service(&self) -> &'static str {
        "churn-warning"
    }

    fn input(&self) -> &'static str {
        CUSTOMER_EVENTS.name
    }

    fn outputs(&self, partition: u32) -> Vec<(&'static str, u32)> {
        vec![(CHURN_SIGNALS.name, partition)]
    }

    fn fold(&self) -> ChurnWarning {
        ChurnWarning::new(self.partitions)
    }
}

/// Runs churn-warning until it is told to stop.
///
/// # Errors
/// [`RunError`] that only a person can mend.
pub async fn run(context: ServiceContext) -> Result<(), RunError> {
    let partitions = context.log.partitions(CUSTOMER_EVENTS.name).await?;
    run_service(ChurnWarningProcessor { partitions }, context).await
}
