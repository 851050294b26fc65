//! `frequency_drop`: fewer orders than the customer's own pace lets expect.
//!
//! "Baseline for W: counting orders in (t − W − 365 d, t − W]; exposure: those 365 d, or, if the customer's first
//! counting order is later than their beginning, the time from that order to t − W, and that order is not counted.
//! Expected = baseline × W ÷ exposure. W = the smallest of 30, 60, 90, 120, 180, 270 d with baseline ≥ 4, exposure
//! ≥ 90 d and expected ≥ 3 (none: silent)."

use tiermesh_domain::{
    exact::Fraction,
    policy::FrequencyDrop,
    time::{DAY_MS, Millis},
};

use crate::{
    lifecycle::Stage,
    outcome::SignalState,
    poisson,
    signals::Reading,
    window::{between, days, within},
};

/// What was expected, in what window: frozen when the signal is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expectation {
    window_days: u32,
    expected: Fraction,
}

/// Raises or ends the signal. `orders`: when the counting orders were placed, sorted; over all facts.
pub(crate) fn evaluate(
    raised: &mut Option<Expectation>,
    orders: &[Millis],
    stage: Stage,
    settings: &FrequencyDrop,
    tick: Option<Millis>,
) -> Option<(SignalState, Reading)> {
    let share = |millionths: i64| Fraction::new(millionths.into(), 1_000_000);
    match *raised {
        Some(frozen) => {
            let observed = observed(orders, &frozen, tick);
            let state = if stage == Stage::Lost {
                SignalState::Lost
            } else if Fraction::new(observed.into(), 1) >= frozen.expected.times(share(settings.clear_at_millionths)) {
                SignalState::Cleared
            } else {
                return None;
            };
            *raised = None;
            Some((state, reading(observed, &frozen)))
        }
        None => raise(raised, expectation(orders, settings, tick?)?, orders, stage, settings, tick),
    }
}

/// Raises the signal if there are few orders against that expectation: that of now, or one that was held back.
pub(crate) fn raise(
    raised: &mut Option<Expectation>,
    expectation: Expectation,
    orders: &[Millis],
    stage: Stage,
    settings: &FrequencyDrop,
    tick: Option<Millis>,
) -> Option<(SignalState, Reading)> {
    let observed = observed(orders, &expectation, tick);
    let reading = reading(observed, &expectation);
    let raise_at = Fraction::new(settings.raise_at_millionths.into(), 1_000_000);
    let few = Fraction::new(observed.into(), 1) <= expectation.expected.times(raise_at);
    let improbable = reading.p.is_some_and(|p| p <= settings.p);
    if stage == Stage::Lost || !few || !improbable {
        return None;
    }
    *raised = Some(expectation);
    Some((SignalState::Raised, reading))
}

fn expectation(orders: &[Millis], settings: &FrequencyDrop, tick: Millis) -> Option<Expectation> {
    let first = *orders.first()?;
    let for_window = |window_days: &u32| {
        let to = tick - days(*window_days);
        let after = to - days(settings.baseline_days);
        let mut baseline = orders.iter().filter(|at| between(**at, after, to)).count() as i64;
        let mut exposure = to - after;
        if first > to {
            return None;
        }
        if first > after {
            exposure = to - first;
            baseline -= 1;
        }
        let expected = Fraction::new(i128::from(baseline) * i128::from(days(*window_days)), i128::from(exposure));
        let enough = baseline >= settings.least_baseline
            && exposure >= settings.least_exposure_days * DAY_MS
            && expected >= Fraction::new(settings.least_expected.into(), 1);
        enough.then_some(Expectation { window_days: *window_days, expected })
    };
    settings.windows_days.iter().find_map(for_window)
}

fn observed(orders: &[Millis], expectation: &Expectation, tick: Option<Millis>) -> i64 {
    orders.iter().filter(|at| within(**at, tick, expectation.window_days)).count() as i64
}

fn reading(observed: i64, expectation: &Expectation) -> Reading {
    let expected = expectation.expected.to_f64();
    Reading {
        observed,
        expected,
        window_days: Some(expectation.window_days),
        p: Some(poisson::at_most(observed, expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::detectors;

    /// Instants in days and settings of the specification; the tick is day 1000.
    const TICK: Millis = 1_000 * DAY_MS;

    fn settings() -> FrequencyDrop {
        detectors().frequency_drop.unwrap()
    }

    fn on(days: impl IntoIterator<Item = i64>) -> Vec<Millis> {
        days.into_iter().map(|day| day * DAY_MS).collect()
    }

    fn expected(orders: &[Millis]) -> Option<(u32, Fraction)> {
        expectation(orders, &settings(), TICK).map(|found| (found.window_days, found.expected))
    }

    #[test]
    fn the_smallest_window_with_enough_to_expect() {
        // Every 7 days, for years.
        let weekly = on((0..1_000).step_by(7));
        // (605, 970]: 609, 616, …, 966: 52 orders × 30 ÷ 365 = 4.27 ≥ 3.
        assert_eq!(expected(&weekly), Some((30, Fraction::new(52 * 30, 365))));
        // Every 20 days: (605, 970]: 620 … 960: 18 × 30 ÷ 365 = 1.48; (575, 940]: 580 … 940: 19 × 60 ÷ 365 = 3.12.
        assert_eq!(expected(&on((0..1_000).step_by(20))), Some((60, Fraction::new(19 * 60, 365))));
        // Every 100 days: at most 4 in a baseline, and 4 × 270 ÷ 365 < 3: silent.
        assert_eq!(expected(&on((0..1_000).step_by(100))), None);
        assert_eq!(expected(&[]), None);
    }

    #[test]
    fn the_first_order_begins_the_exposure_and_is_not_counted() {
        // First on day 870, exactly 100 days before 970; then 4 more on days 900, 920, 940, 960.
        let orders = on([870, 900, 920, 940, 960]);
        // 30 d: 4 × 30 ÷ 100 = 1.2; 60 d: (…, 940], exposure 70 < 90; then no exposure is enough.
        assert_eq!(expected(&orders), None);
        // 10 more in between: 14 × 30 ÷ 100 = 4.2.
        let many = on([870].into_iter().chain(900..=913));
        assert_eq!(expected(&many), Some((30, Fraction::new(14 * 30, 100))));
        // Exposure is in milliseconds: of exactly 90 days it is enough, of one less it isn't.
        let mut exact = on([880].into_iter().chain(900..=913));
        assert_eq!(expected(&exact), Some((30, Fraction::new(14 * 30, 90))));
        exact[0] += 1;
        assert_eq!(expected(&exact), None);
    }

    #[test]
    fn a_first_order_at_the_beginning_gives_the_whole_exposure() {
        // (605, 970]: at 605 exactly it isn't in, and not later than the beginning: 365 days, nothing is taken off.
        let at_beginning = on([605].into_iter().chain(700..740));
        assert_eq!(expected(&at_beginning), Some((30, Fraction::new(40 * 30, 365))));
        let mut later = at_beginning;
        later[0] += 1;
        let exposure = i128::from(365 * DAY_MS - 1);
        assert_eq!(expected(&later), Some((30, Fraction::new(40 * 30 * i128::from(DAY_MS), exposure))));
    }

    #[test]
    fn a_baseline_needs_4_orders() {
        let three = FrequencyDrop { least_expected: 1, ..settings() };
        let orders = on([10, 800, 810, 820]);
        assert_eq!(expectation(&orders, &three, TICK), None);
        let four = on([10, 800, 810, 820, 830]);
        // 4 × 120 ÷ 365 = 1.3; 90 d would be 0.99.
        let found = expectation(&four, &three, TICK).map(|found| found.window_days);
        assert_eq!(found, Some(120));
    }

    #[test]
    fn raised_when_half_or_less_comes_and_that_is_improbable() {
        // 73 orders in the 365 days: exactly 6 expected in 30.
        let baseline = on((606..970).step_by(5));
        assert_eq!(baseline.len(), 73);
        let raise = |recent: &[i64], stage| {
            let mut orders = on([0]);
            orders.extend(baseline.iter().copied());
            orders.extend(on(recent.iter().copied()));
            let mut raised = None;
            evaluate(&mut raised, &orders, stage, &settings(), Some(TICK))
        };
        let (state, reading) = raise(&[980], Stage::Active).unwrap();
        assert_eq!((state, reading.observed, reading.window_days), (SignalState::Raised, 1, Some(30)));
        let p = libm::exp(-6.0) * 7.0;
        assert!((reading.expected - 6.0).abs() < 1e-12 && (reading.p.unwrap() - p).abs() < 1e-12, "{reading:?}");
        // 2 of 6: P = e^−6 (1 + 6 + 18) = 0.062 > 0.05, though 2 ≤ 3.
        assert_eq!(raise(&[980, 990], Stage::Active), None);
        assert_eq!(raise(&[980], Stage::Lost), None, "unless lifecycle says lost");
        assert_eq!(raise(&[970], Stage::Active).unwrap().1.observed, 0, "(t − W, t] is half-open");
        assert_eq!(raise(&[1_001], Stage::Active).unwrap().1.observed, 1, "later than t and known: it counts");
    }

    #[test]
    fn cleared_by_the_frozen_expectation_or_lost() {
        let frozen = Expectation { window_days: 30, expected: Fraction::new(5, 1) };
        let look = |recent: i64, stage| {
            let mut raised = Some(frozen);
            let found = evaluate(&mut raised, &on(980..980 + recent), stage, &settings(), Some(TICK));
            assert_eq!(raised.is_none(), found.is_some());
            found.map(|(state, reading)| (state, reading.observed, reading.expected))
        };
        assert_eq!(look(3, Stage::Active), None, "0.8 × 5 = 4; that no baseline is left doesn't clear");
        assert_eq!(look(4, Stage::Active), Some((SignalState::Cleared, 4, 5.0)));
        assert_eq!(look(0, Stage::Lost), Some((SignalState::Lost, 0, 5.0)));
        assert_eq!(look(4, Stage::Lost), Some((SignalState::Lost, 4, 5.0)), "lost is looked at first");
    }

    #[test]
    fn silent_before_any_tick() {
        assert_eq!(evaluate(&mut None, &on(0..900), Stage::Active, &settings(), None), None);
    }
}
