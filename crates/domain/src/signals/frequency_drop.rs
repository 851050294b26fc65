//! `frequency_drop`: fewer orders than the customer's own pace lets expect.

use super::{
    poisson::at_most,
    signal::{Raised, SignalState, Verdict},
};
use crate::{
    lifecycle::{Pace, Stage},
    policy::FrequencyDrop,
    time::{DAY_MS, Millis},
};

/// The window looked at, and what is expected in it: `baseline` × W ÷ `exposure_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expectation {
    window_days: u32,
    baseline: i64,
    exposure_ms: i64,
}

impl Expectation {
    fn orders(&self) -> f64 {
        self.baseline as f64 * (self.window_days as f64 * DAY_MS as f64) / self.exposure_ms as f64
    }

    /// Whether `count ≥ share × expected`, exactly.
    fn is_reached_by(&self, count: i64, share_millionths: i64) -> bool {
        let (left, right) = self.sides(count, share_millionths);
        left >= right
    }

    /// Whether `count ≤ share × expected`, exactly.
    fn is_not_passed_by(&self, count: i64, share_millionths: i64) -> bool {
        let (left, right) = self.sides(count, share_millionths);
        left <= right
    }

    fn sides(&self, count: i64, share_millionths: i64) -> (i128, i128) {
        let left = i128::from(count) * 1_000_000 * i128::from(self.exposure_ms);
        let window_ms = i128::from(self.window_days) * i128::from(DAY_MS);
        (left, i128::from(share_millionths) * i128::from(self.baseline) * window_ms)
    }
}

/// Looks at a customer at `now`, the last tick.
pub(super) fn look(
    settings: &FrequencyDrop,
    pace: &Pace,
    stage: Stage,
    now: Option<Millis>,
    when: Millis,
    raised: Option<&Raised>,
) -> Option<Verdict> {
    let now = now?;
    if let Some(raised) = raised {
        let frozen = Expectation {
            window_days: raised.window_days?,
            baseline: raised.baseline,
            exposure_ms: raised.exposure_ms,
        };
        let observed = pace.after(now - length(frozen.window_days));
        let state = if stage == Stage::Lost {
            SignalState::Lost
        } else if frozen.is_reached_by(observed, settings.clear_at_millionths) {
            SignalState::Cleared
        } else if observed != raised.observed {
            SignalState::Updated
        } else {
            return None;
        };
        let lasts = state == SignalState::Updated;
        return Some(verdict(state, &frozen, observed, lasts.then(|| Raised { observed, ..raised.clone() })));
    }
    if stage == Stage::Lost {
        return None;
    }
    let expectation = settings.windows_days.iter().find_map(|days| expectation(settings, pace, now, *days))?;
    raise(settings, pace, now, when, &expectation)
}

/// Looks again at what was held back, against what was expected then: by now that may lie too far back to be expected
/// anew.
pub(super) fn look_at_held_back(
    settings: &FrequencyDrop,
    pace: &Pace,
    stage: Stage,
    now: Option<Millis>,
    when: Millis,
    held_back: &Raised,
) -> Option<Verdict> {
    let expectation = Expectation {
        window_days: held_back.window_days?,
        baseline: held_back.baseline,
        exposure_ms: held_back.exposure_ms,
    };
    if stage == Stage::Lost { None } else { raise(settings, pace, now?, when, &expectation) }
}

fn raise(
    settings: &FrequencyDrop,
    pace: &Pace,
    now: Millis,
    when: Millis,
    expectation: &Expectation,
) -> Option<Verdict> {
    let observed = pace.after(now - length(expectation.window_days));
    let few = expectation.is_not_passed_by(observed, settings.raise_at_millionths);
    if !few || at_most(observed, expectation.orders()) > settings.p {
        return None;
    }
    let raised = Raised {
        since: when,
        observed,
        expected: expectation.orders(),
        window_days: Some(expectation.window_days),
        baseline: expectation.baseline,
        exposure_ms: expectation.exposure_ms,
    };
    Some(verdict(SignalState::Raised, expectation, observed, Some(raised)))
}

fn verdict(state: SignalState, expectation: &Expectation, observed: i64, raised: Option<Raised>) -> Verdict {
    let expected = expectation.orders();
    Verdict {
        state,
        observed,
        expected,
        window_days: Some(expectation.window_days),
        p: Some(at_most(observed, expected)),
        reason: String::new(),
        raised,
    }
}

/// What is expected in a window of so many days, if enough is known to expect anything.
fn expectation(settings: &FrequencyDrop, pace: &Pace, now: Millis, window_days: u32) -> Option<Expectation> {
    let end = now - length(window_days);
    let begin = end - length(settings.baseline_days);
    let first = pace.first()?;
    let mut baseline = pace.between(begin, end);
    let mut exposure_ms = length(settings.baseline_days);
    if first > begin {
        // The first order begins the exposure, so it says nothing about its pace.
        exposure_ms = end - first;
        baseline -= 1;
    }
    let expectation = Expectation { window_days, baseline, exposure_ms };
    let enough = baseline >= settings.least_baseline
        && exposure_ms >= settings.least_exposure_days * DAY_MS
        && expectation.is_worth(settings.least_expected);
    enough.then_some(expectation)
}

impl Expectation {
    /// Whether at least so many orders are expected, exactly.
    fn is_worth(&self, least: i64) -> bool {
        self.is_not_passed_by(least, 1_000_000)
    }
}

/// The first instant after `now` at which time alone may change the verdict.
pub(super) fn next_change(settings: &FrequencyDrop, pace: &Pace, now: Millis) -> Option<Millis> {
    let first = pace.first()?;
    let baseline_ms = length(settings.baseline_days);
    let per_window = settings.windows_days.iter().flat_map(|days| {
        let window_ms = length(*days);
        // While the exposure grows, what is expected falls: at some instant this window gives way to the next.
        let grown = pace.between(now - window_ms - baseline_ms, now - window_ms) - 1;
        let gives_way = i128::from(grown.max(0)) * i128::from(window_ms) / i128::from(settings.least_expected);
        [
            pace.first_after(now - window_ms).map(|time| time + window_ms),
            pace.first_after(now - window_ms - baseline_ms).map(|time| time + window_ms + baseline_ms),
            Some(first + window_ms + settings.least_exposure_days * DAY_MS),
            i64::try_from(gives_way).ok().map(|gives_way| first + window_ms + gives_way + 1),
        ]
    });
    per_window.flatten().filter(|at| *at > now).min()
}

fn length(days: u32) -> Millis {
    i64::from(days) * DAY_MS
}
