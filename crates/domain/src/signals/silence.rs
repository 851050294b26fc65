//! `silence`: no order for longer than the customer's own pace explains.

use super::signal::{Raised, SignalState, Verdict};
use crate::{
    exact::Fraction,
    lifecycle::Pace,
    policy::{LifecycleRules, Silence},
    time::{Millis, Zone},
};

/// Looks at a customer at `now`, the last tick.
pub(super) fn look(
    settings: &Silence,
    rules: &LifecycleRules,
    zone: &Zone,
    pace: &Pace,
    now: Option<Millis>,
    when: Millis,
    raised: Option<&Raised>,
) -> Option<Verdict> {
    let silence = pace.silence(now, zone).unwrap_or(0);
    let patience = pace.patience(rules, zone);
    let silent = pace.order_days() >= settings.least_order_days && Fraction::new(i128::from(silence), 1) > patience;
    let state = match (raised, silent) {
        (None, true) => SignalState::Raised,
        (Some(_), false) => SignalState::Cleared,
        _ => return None,
    };
    let expected = patience.to_f64();
    let raised = (state == SignalState::Raised).then_some(Raised {
        since: when,
        observed: silence,
        expected,
        window_days: None,
        baseline: 0,
        exposure_ms: 0,
    });
    let p = improbability(pace, zone, silence);
    Some(Verdict { state, observed: silence, expected, window_days: None, p, reason: String::new(), raised })
}

/// How probable so long a silence is for one who orders at random at this customer's mean distance.
pub(super) fn improbability(pace: &Pace, zone: &Zone, silence: i64) -> Option<f64> {
    let span = f64::from(zone.day_of(pace.last()?) - zone.day_of(pace.first()?));
    (span > 0.0).then(|| libm::exp(-(silence as f64) * (pace.order_days() - 1) as f64 / span))
}
