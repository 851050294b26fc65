//! Trying again: with growing pauses, as long as the command allows since the last success.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::server::Failure;

const LEAST_PAUSE: Duration = Duration::from_millis(100);
const MOST_PAUSE: Duration = Duration::from_secs(3);

/// How long failures are borne unless the command says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// How long failures are borne.
pub(super) struct Patience {
    limit: Option<Duration>,
    quiet: bool,
    /// Somebody answered.
    reached: bool,
    failing: Option<(Instant, ExponentialBackoff)>,
}

impl Patience {
    pub(super) fn of(limit: Option<Duration>, quiet: bool) -> Self {
        Self { limit, quiet, reached: false, failing: None }
    }

    /// Something succeeded.
    pub(super) fn restore(&mut self) {
        self.reached = true;
        self.failing = None;
    }

    /// Waits before the next try, or gives the failure back: it is final, or it went on for too long.
    pub(super) async fn bear(&mut self, failure: Failure) -> Result<(), Failure> {
        let after = match &failure {
            Failure::Denied { .. } => return Err(failure),
            // Where nobody ever answered, most likely nobody will.
            Failure::Unreached { .. } if !self.reached && self.limit.is_none() => return Err(failure),
            Failure::Unreached { .. } => Duration::ZERO,
            Failure::Transient { code, after: Some(after), .. } if code == "rate-limited" => {
                // It says when it will be taken, and so it is not a failure that goes on.
                self.reached = true;
                tokio::time::sleep(*after).await;
                return Ok(());
            }
            Failure::Transient { after, .. } => {
                self.reached = true;
                after.unwrap_or_default()
            }
        };
        let limit = self.limit.unwrap_or(LIMIT);
        if self.failing.is_none() && !self.quiet {
            eprintln!("{failure}; trying again for {} s", limit.as_secs());
        }
        let (since, pauses) = self.failing.get_or_insert_with(|| {
            let pauses = ExponentialBuilder::new().with_min_delay(LEAST_PAUSE).with_max_delay(MOST_PAUSE);
            (Instant::now(), pauses.with_jitter().without_max_times().build())
        });
        let pause = pauses.next().unwrap_or(MOST_PAUSE).max(after);
        let left = limit.saturating_sub(since.elapsed());
        if left.is_zero() {
            return Err(failure);
        }
        tokio::time::sleep(pause.min(left)).await;
        Ok(())
    }
}
