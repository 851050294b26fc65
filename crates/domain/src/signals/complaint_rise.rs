//! `complaint_rise`: more complaints than expected, or one right after another of its kind was closed.

use super::{
    poisson::at_least,
    signal::{Raised, SignalState, Verdict},
};
use crate::{
    ledger::Complaints,
    lifecycle::Pace,
    policy::ComplaintRise,
    time::{DAY_MS, Millis},
};

/// Looks at a customer at `now`, the last tick. `reopened`: the record at hand opened a complaint shortly after one of
/// its category was closed.
pub(super) fn look(
    settings: &ComplaintRise,
    complaints: &Complaints,
    pace: &Pace,
    now: Option<Millis>,
    when: Millis,
    reopened: bool,
    raised: Option<&Raised>,
) -> Option<Verdict> {
    let begin = now.map_or(Millis::MIN, |now| now - length(settings.window_days));
    let observed = complaints.opened_between(begin, Millis::MAX) as i64;
    let expected = expected(settings, complaints, pace, now);
    let p = at_least(observed, expected);
    let told = |state, expected, reason: &str, raised| Verdict {
        state,
        observed,
        expected,
        window_days: Some(settings.window_days),
        p: Some(p),
        reason: reason.to_owned(),
        raised,
    };
    match raised {
        Some(raised) => {
            if observed < settings.least && !complaints.any_open() {
                Some(told(SignalState::Cleared, expected, "", None))
            } else if observed != raised.observed {
                let lasting = Raised { observed, ..raised.clone() };
                Some(told(SignalState::Updated, expected, "", Some(lasting)))
            } else {
                None
            }
        }
        None => {
            let many = observed >= settings.least && p <= settings.p;
            if !many && !reopened {
                return None;
            }
            let reason =
                if many { "more than expected" } else { "opened again shortly after one of its category was closed" };
            let raised = Raised {
                since: when,
                observed,
                expected,
                window_days: Some(settings.window_days),
                baseline: 0,
                exposure_ms: 0,
            };
            Some(told(SignalState::Raised, expected, reason, Some(raised)))
        }
    }
}

/// 30 × (k + κμ) ÷ (e + κ): the customer's own rate of the year before, drawn towards a common one.
fn expected(settings: &ComplaintRise, complaints: &Complaints, pace: &Pace, now: Option<Millis>) -> f64 {
    let (known, exposure_ms) = match now {
        None => (0, 0),
        Some(now) => {
            let end = now - length(settings.window_days);
            let begin = end - length(settings.history_days);
            let exposure_ms = match pace.first() {
                Some(first) if first > begin => (end - first).max(0),
                Some(_) => length(settings.history_days),
                None => 0,
            };
            (complaints.opened_between(begin, end), exposure_ms)
        }
    };
    let days = exposure_ms as f64 / DAY_MS as f64;
    let weight = settings.prior_days;
    f64::from(settings.window_days) * (known as f64 + weight * settings.daily_rate) / (days + weight)
}

/// The first instant after `now` at which time alone may change the verdict.
pub(super) fn next_change(
    settings: &ComplaintRise,
    complaints: &Complaints,
    pace: &Pace,
    now: Millis,
    raised: bool,
) -> Option<Millis> {
    if complaints.is_empty() {
        return None;
    }
    let window_ms = length(settings.window_days);
    let history_ms = length(settings.history_days);
    let many = complaints.opened_between(now - window_ms, Millis::MAX) as i64 >= settings.least;
    let grows = pace.first().is_some_and(|first| first > now - window_ms - history_ms);
    [
        complaints.first_after(now - window_ms).map(|time| time + window_ms),
        complaints.first_after(now - window_ms - history_ms).map(|time| time + window_ms + history_ms),
        // While the exposure grows, what is expected falls from tick to tick.
        (many && grows && !raised).then_some(now + 1),
    ]
    .into_iter()
    .flatten()
    .filter(|at| *at > now)
    .min()
}

fn length(days: u32) -> Millis {
    i64::from(days) * DAY_MS
}
