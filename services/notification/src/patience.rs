//! How long to wait after a failed attempt, and when to give up. Pure but for the dice it is handed.

use std::time::Duration;

use tiermesh_store::Outcome;

use crate::settings::Settings;

/// No receiver may ask for a longer wait.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// The receiver says that it is gone for good.
    pub(crate) gone: bool,
    /// The receiver says how long to wait at least.
    pub(crate) retry_after: Option<Duration>,
}

/// What becomes of a delivery whose attempt failed. `left`: how many attempts it still has. `dice`: from 0 to 1.
pub(crate) fn after_failure(failure: Failure, left: u32, settings: &Settings, dice: f64) -> Outcome {
    if failure.gone || left == 0 {
        return Outcome::Dead { reason: failure.reason };
    }
    let failures = settings.attempts.saturating_sub(left).saturating_sub(1);
    let doubled = settings.first_wait.saturating_mul(2_u32.saturating_pow(failures.min(30)));
    // Half of it at least: whoever was told off together doesn't come back together.
    let wait = doubled.min(settings.longest_wait).mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0);
    let asked_for = failure.retry_after.unwrap_or_default().min(LONGEST_ASKED_FOR);
    Outcome::Retrying { after: wait.max(asked_for), reason: failure.reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure { reason: "503".to_owned(), gone: false, retry_after: None }
    }

    fn wait(failure: Failure, left: u32, dice: f64) -> Duration {
        match after_failure(failure, left, &Settings::default(), dice) {
            Outcome::Retrying { after, .. } => after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_double_to_a_longest_one() {
        let waits: Vec<u64> = (1..16).rev().map(|left| wait(failure(), left, 1.0).as_secs()).collect();
        let doubled = [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240];
        assert_eq!(waits[..12], doubled);
        assert_eq!(waits[12..], [14_400; 3]);
    }

    #[test]
    fn half_of_a_wait_is_by_chance() {
        assert_eq!(wait(failure(), 15, 0.0), Duration::from_millis(2_500));
        assert_eq!(wait(failure(), 15, 0.5), Duration::from_millis(3_750));
    }

    #[test]
    fn what_the_receiver_asks_for_is_the_least_within_reason() {
        let asking = |seconds| Failure { retry_after: Some(Duration::from_secs(seconds)), ..failure() };
        assert_eq!(wait(asking(60), 15, 1.0).as_secs(), 60);
        assert_eq!(wait(asking(1), 15, 1.0).as_secs(), 5);
        assert_eq!(wait(asking(u64::MAX), 15, 1.0), LONGEST_ASKED_FOR);
    }

    #[test]
    fn the_last_attempt_and_a_receiver_that_is_gone_end_it() {
        let settings = Settings::default();
        let dead = Outcome::Dead { reason: "503".to_owned() };
        assert_eq!(after_failure(failure(), 0, &settings, 0.5), dead);
        assert_eq!(after_failure(Failure { gone: true, ..failure() }, 15, &settings, 0.5), dead);
    }
}
