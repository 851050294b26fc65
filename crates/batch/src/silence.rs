//! `silence`: "Silence > L of `lifecycle`, for customers with at least 2 order days; cleared by an order."

use tiermesh_domain::{
    exact::Fraction,
    policy::{LifecycleRules, Silence},
};

use crate::{
    lifecycle::{Pace, patience},
    outcome::SignalState,
    signals::Reading,
};

/// Raises or clears the signal.
pub(crate) fn evaluate(
    raised: &mut bool,
    pace: Option<&Pace>,
    settings: &Silence,
    rules: &LifecycleRules,
) -> Option<(SignalState, Reading)> {
    let holds = pace.is_some_and(|pace| {
        pace.order_days >= settings.least_order_days && Fraction::new(pace.silence.into(), 1) > patience(pace, rules)
    });
    if holds == *raised {
        return None;
    }
    *raised = holds;
    let state = if holds { SignalState::Raised } else { SignalState::Cleared };
    Some((state, reading(pace, rules)))
}

fn reading(pace: Option<&Pace>, rules: &LifecycleRules) -> Reading {
    let Some(pace) = pace else {
        return Reading { observed: 0, expected: rules.default_days as f64, window_days: None, p: None };
    };
    // Were orders to come at the customer's own rate by chance, so long a gap would have this probability.
    let rate = (pace.span > 0).then(|| (pace.order_days - 1) as f64 / pace.span as f64);
    Reading {
        observed: pace.silence,
        expected: patience(pace, rules).to_f64(),
        window_days: None,
        p: rate.map(|rate| libm::exp(-(pace.silence as f64) * rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(raised: bool, order_days: i64, span: i64, silence: i64) -> Option<(SignalState, Reading)> {
        let pace = Pace { order_days, span, silence, age: span + silence };
        let mut now = raised;
        let settings = Silence { least_order_days: 2 };
        let found = evaluate(&mut now, Some(&pace), &settings, &LifecycleRules::default());
        assert_eq!(now != raised, found.is_some());
        found
    }

    #[test]
    fn raised_when_silence_is_longer_than_patience() {
        // L = 3 × 50 ÷ 4 = 37.5
        assert_eq!(look(false, 5, 50, 37), None);
        let (state, reading) = look(false, 5, 50, 38).unwrap();
        assert_eq!((state, reading.observed, reading.expected), (SignalState::Raised, 38, 37.5));
        assert!((reading.p.unwrap() - libm::exp(-38.0 * 4.0 / 50.0)).abs() < 1e-15);
        assert_eq!(reading.window_days, None);
        assert_eq!(look(true, 5, 50, 39), None, "it is raised already");
    }

    #[test]
    fn one_order_day_has_no_pace() {
        assert_eq!(look(false, 1, 0, 300), None);
        assert_eq!(look(false, 2, 10, 90), None, "L is 90 with fewer than 4 order days");
        assert_eq!(look(false, 2, 10, 91).map(|(state, _)| state), Some(SignalState::Raised));
    }

    #[test]
    fn cleared_by_an_order() {
        assert_eq!(look(true, 6, 90, 0).map(|(state, _)| state), Some(SignalState::Cleared));
        let mut raised = true;
        let found = evaluate(&mut raised, None, &Silence { least_order_days: 2 }, &LifecycleRules::default());
        assert_eq!(found.map(|(state, _)| state), Some(SignalState::Cleared), "all orders were cancelled");
    }
}
