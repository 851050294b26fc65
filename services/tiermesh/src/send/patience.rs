//! Trying again: with growing pauses, as long as the command allows since the last success.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::server::Failure;

const LEAST_PAUSE: Duration = Duration::from_millis(100);
const MOST_PAUSE: Duration = Duration::from_secs(3);

/// How long failures are borne.
pub(super) struct Patience {
    limit: Duration,
    quiet: bool,
    failing: Option<(Instant, ExponentialBackoff)>,
}

impl Patience {
    pub(super) fn of(limit: Duration, quiet: bool) -> Self {
        Self { limit, quiet, failing: None }
    }

    /// Something succeeded.
    pub(super) fn restore(&mut self) {
        self.failing = None;
    }

    /// Waits before the next try, or gives the failure back: it is final, or it went on for too long.
    pub(super) async fn bear(&mut self, failure: Failure) -> Result<(), Failure> {
        let Failure::Transient { after, reason, .. } = &failure else { return Err(failure) };
        if self.failing.is_none() && !self.quiet {
            eprintln!("{reason}; trying again for {} s", self.limit.as_secs());
        }
        let (since, pauses) = self.failing.get_or_insert_with(|| {
            let pauses = ExponentialBuilder::new().with_min_delay(LEAST_PAUSE).with_max_delay(MOST_PAUSE);
            (Instant::now(), pauses.with_jitter().without_max_times().build())
        });
        let pause = pauses.next().unwrap_or(MOST_PAUSE).max(after.unwrap_or_default());
        let left = self.limit.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(failure);
        }
        tokio::time::sleep(pause.min(left)).await;
        Ok(())
    }
}
