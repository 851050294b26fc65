//! `complaint_rise`: more complaints than the customer's own rate lets expect.
//!
//! "n = complaints opened in (t − 30 d, t]. Expected = 30 × (k + κμ) ÷ (e + κ): k complaints and e days of exposure in
//! the 365 d before; μ a daily rate the policy states (0.001), κ = 180 d. Raised when n ≥ 2 and P(≥ n) ≤ 0.05, or when
//! one opens ≤ 14 d after one of the same category closed. Cleared when n ≤ 1 and none is open."

use tiermesh_domain::{
    policy::ComplaintRise,
    time::{DAY_MS, Millis},
};

use crate::{
    complaints::{Complaints, Opening},
    outcome::SignalState,
    poisson,
    signals::Reading,
    window::{between, days, within},
};

/// Raises or clears the signal. `first_order`: of the customer's counting orders, over all facts. `just_opened`: the
/// opening that the fact tells of after which this evaluation comes.
pub(crate) fn evaluate(
    raised: &mut bool,
    complaints: &Complaints<'_>,
    first_order: Option<Millis>,
    just_opened: Option<&Opening<'_>>,
    settings: &ComplaintRise,
    tick: Option<Millis>,
) -> Option<(SignalState, Reading)> {
    let observed = complaints.times().filter(|at| within(*at, tick, settings.window_days)).count() as i64;
    let expected = expected(complaints, first_order, settings, tick);
    let p = poisson::at_least(observed, expected);
    let reading = Reading { observed, expected, window_days: Some(settings.window_days), p: Some(p) };
    if *raised {
        if observed >= settings.least || complaints.any_open() {
            return None;
        }
        *raised = false;
        return Some((SignalState::Cleared, reading));
    }
    let many = observed >= settings.least && p <= settings.p;
    let reopened = just_opened.is_some_and(|opening| {
        within(opening.at, tick, settings.window_days)
            && complaints.follows_a_closed_one(opening, settings.reopened_days)
    });
    *raised = many || reopened;
    raised.then_some((SignalState::Raised, reading))
}

fn expected(
    complaints: &Complaints<'_>,
    first_order: Option<Millis>,
    settings: &ComplaintRise,
    tick: Option<Millis>,
) -> f64 {
    let (earlier, exposure_days) = match tick {
        None => (0, 0.0),
        Some(tick) => history(complaints, first_order, settings, tick),
    };
    let weight = settings.prior_days;
    f64::from(settings.window_days) * (earlier as f64 + weight * settings.daily_rate) / (exposure_days + weight)
}

/// Complaints and days of exposure before the window.
fn history(
    complaints: &Complaints<'_>,
    first_order: Option<Millis>,
    settings: &ComplaintRise,
    tick: Millis,
) -> (usize, f64) {
    let to = tick - days(settings.window_days);
    let after = to - days(settings.history_days);
    let earlier = complaints.times().filter(|at| between(*at, after, to)).count();
    let exposure = first_order.map_or(0, |first| (to - first.max(after)).max(0));
    (earlier, exposure as f64 / DAY_MS as f64)
}

#[cfg(test)]
mod tests {
    use tiermesh_proto::v1::Fact;

    use super::*;
    use crate::testing::{at, book, closed, detectors, opened};

    const TICK: &str = "2011-01-31T00:00:00Z"; // the window begins on 2011-01-01, the history on 2010-01-01

    fn settings() -> ComplaintRise {
        detectors().complaint_rise.unwrap()
    }

    fn look(
        raised: bool,
        facts: &[Fact],
        first_order: Option<&str>,
        just: Option<&Fact>,
    ) -> Option<(SignalState, Reading)> {
        let mut now = raised;
        let opening = just.and_then(Opening::of);
        let complaints = book(facts).complaints;
        let found = evaluate(&mut now, &complaints, first_order.map(at), opening.as_ref(), &settings(), Some(at(TICK)));
        assert_eq!(now != raised, found.is_some());
        found
    }

    fn expected_with(facts: &[Fact], first_order: Option<&str>, tick: Option<&str>) -> f64 {
        expected(&book(facts).complaints, first_order.map(at), &settings(), tick.map(at))
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-12
    }

    #[test]
    fn expectation_by_hand() {
        let two = [
            opened("1", "2010-01-01T00:00:00.001Z", "a", "price"),
            opened("2", "2011-01-01T00:00:00Z", "b", "price"),
            opened("3", "2010-01-01T00:00:00Z", "c", "price"), // at the very beginning: half-open, not in
        ];
        let old = Some("2009-01-01T00:00:00Z");
        assert!(close(expected_with(&two, old, Some(TICK)), 30.0 * 2.18 / 545.0));
        // The first order 100 days before the window: exposure is those 100.
        assert!(close(expected_with(&two, Some("2010-09-23T00:00:00Z"), Some(TICK)), 30.0 * 2.18 / 280.0));
        assert!(close(expected_with(&two, Some("2011-01-05T00:00:00Z"), Some(TICK)), 30.0 * 2.18 / 180.0));
        assert!(close(expected_with(&two, None, Some(TICK)), 30.0 * 2.18 / 180.0), "no order: no exposure");
        assert!(close(expected_with(&two, old, None), 0.03), "no tick yet: no history");
    }

    #[test]
    fn two_improbable_complaints_raise() {
        let one = opened("1", "2011-01-10T00:00:00Z", "a", "price");
        let another = opened("2", "2011-01-11T00:00:00Z", "b", "quality");
        assert_eq!(look(false, std::slice::from_ref(&one), None, Some(&one)), None, "n = 1");
        let (state, reading) = look(false, &[one, another.clone()], None, Some(&another)).unwrap();
        assert_eq!((state, reading.observed, reading.window_days), (SignalState::Raised, 2, Some(30)));
        // e = 0, k = 0: 0.03 expected; P(≥ 2) = 1 − e^−0.03 × 1.03
        assert!(close(reading.expected, 0.03) && close(reading.p.unwrap(), 1.0 - libm::exp(-0.03) * 1.03));
    }

    #[test]
    fn two_are_usual_for_who_often_complains() {
        // 30 in the year before: 30 × 30.18 ÷ 545 = 1.66 expected, P(≥ 2) = 0.49
        let mut facts: Vec<Fact> =
            (0..30).map(|n| opened(&format!("h{n}"), "2010-06-01T00:00:00Z", "h", "price")).collect();
        facts.push(opened("1", "2011-01-10T00:00:00Z", "a", "price"));
        facts.push(opened("2", "2011-01-11T00:00:00Z", "b", "price"));
        assert_eq!(look(false, &facts, Some("2009-01-01T00:00:00Z"), None), None);
    }

    #[test]
    fn one_of_a_category_just_closed_raises_at_that_very_fact() {
        let facts = [
            opened("1", "2010-12-20T00:00:00Z", "a", "price"),
            closed("2", "2011-01-02T00:00:00Z", "a"),
            opened("3", "2011-01-16T00:00:00Z", "b", "price"),
        ];
        let found = look(false, &facts, None, Some(&facts[2]));
        assert_eq!(found.map(|(state, reading)| (state, reading.observed)), Some((SignalState::Raised, 1)));
        assert_eq!(look(false, &facts, None, None), None, "not at a later evaluation");
        assert_eq!(look(false, &facts, None, Some(&facts[1])), None, "not at another fact");
    }

    #[test]
    fn cleared_when_at_most_one_is_in_the_window_and_none_is_open() {
        let one = [opened("1", "2011-01-10T00:00:00Z", "a", "price")];
        assert_eq!(look(true, &one, None, None), None, "it is open");
        let done = [one[0].clone(), closed("2", "2011-01-12T00:00:00Z", "a")];
        let found = look(true, &done, None, None);
        assert_eq!(found.map(|(state, reading)| (state, reading.observed)), Some((SignalState::Cleared, 1)));
        let two = [
            done[0].clone(),
            done[1].clone(),
            opened("3", "2011-01-01T00:00:00.001Z", "b", "price"),
            closed("4", "2011-01-12T00:00:00Z", "b"),
        ];
        assert_eq!(look(true, &two, None, None), None, "n = 2");
        let old_and_open = [done[0].clone(), done[1].clone(), opened("3", "2010-01-01T00:00:00Z", "b", "price")];
        assert_eq!(look(true, &old_and_open, None, None), None, "an old one is open");
    }
}
