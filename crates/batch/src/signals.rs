//! Loss signals: each customer's are looked at after each of its facts and at every tick.

use std::collections::BTreeMap;

use tiermesh_domain::{policy::DetectorSettings, time::Millis};

use crate::{
    book::Book,
    complaint_rise,
    complaints::Opening,
    frequency_drop::{self, Expectation},
    lifecycle,
    outcome::{Outcome, Signal, SignalState},
    silence,
};

/// What a detector sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading {
    pub(crate) observed: i64,
    pub(crate) expected: f64,
    pub(crate) window_days: Option<u32>,
    pub(crate) p: Option<f64>,
}

/// Which signals of a customer are raised.
#[derive(Default)]
pub(crate) struct Raised {
    frequency_drop: Option<Expectation>,
    /// What the first drop was expected to be that was held back.
    drop_held_back: Option<Expectation>,
    silence: bool,
    complaint_rise: bool,
}

/// When and why signals are looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The time of the fact or tick.
    pub(crate) at: Millis,
    /// The last tick.
    pub(crate) tick: Option<Millis>,
    /// The complaint that the fact opens.
    pub(crate) just_opened: Option<Opening<'a>>,
}

/// What is raised and ended for one customer. `held_back`: a source of its orders is quiet, so that nothing is said that
/// rests on absence.
pub(crate) fn evaluate(
    customer: &str,
    book: &Book<'_>,
    raised: &mut Raised,
    settings: &DetectorSettings,
    look: Look<'_>,
    held_back: bool,
) -> Vec<Signal> {
    let counting = book.orders.iter().filter(|order| order.is_counting(settings.counts_when));
    let mut orders: Vec<Millis> = counting.map(|order| order.placed_at).collect();
    orders.sort_unstable();
    let pace = lifecycle::pace(book, settings.counts_when, &settings.zone, look.tick);
    let stage = lifecycle::stage(pace.as_ref(), &settings.lifecycle);

    let mut first_held_back = None;
    let drop = settings.frequency_drop.as_ref().and_then(|settings| {
        let found = unless_held_back(held_back, &mut raised.frequency_drop, |raised| {
            let found = frequency_drop::evaluate(raised, &orders, stage, settings, look.tick);
            if let (true, Some((SignalState::Raised, _))) = (held_back, found) {
                first_held_back = *raised;
            }
            found
        });
        if held_back {
            raised.drop_held_back = raised.drop_held_back.or(first_held_back);
            return found;
        }
        match raised.drop_held_back.take() {
            Some(held) if found.is_none() && raised.frequency_drop.is_none() => {
                frequency_drop::raise(&mut raised.frequency_drop, held, &orders, stage, settings, look.tick)
            }
            _ => found,
        }
    });
    let silence = settings.silence.as_ref().and_then(|silence| {
        unless_held_back(held_back, &mut raised.silence, |raised| {
            silence::evaluate(raised, pace.as_ref(), silence, &settings.lifecycle)
        })
    });
    let rise = settings.complaint_rise.as_ref().and_then(|settings| {
        let (first, just) = (orders.first().copied(), look.just_opened.as_ref());
        complaint_rise::evaluate(&mut raised.complaint_rise, &book.complaints, first, just, settings, look.tick)
    });

    let named = [("frequency_drop", drop), ("silence", silence), ("complaint_rise", rise)];
    let signal = |(detector, found): (&'static str, Option<(SignalState, Reading)>)| {
        let (state, reading) = found?;
        let Reading { observed, expected, window_days, p } = reading;
        let customer = customer.to_owned();
        Some(Signal { at: look.at, customer, detector, state, observed, expected, window_days, p })
    };
    named.into_iter().filter_map(signal).collect()
}

/// What a detector finds; while it is held back, only that something is over.
fn unless_held_back<R: Clone>(
    held_back: bool,
    raised: &mut R,
    look: impl FnOnce(&mut R) -> Option<(SignalState, Reading)>,
) -> Option<(SignalState, Reading)> {
    let before = raised.clone();
    let found = look(raised);
    if held_back && found.is_some_and(|(state, _)| state != SignalState::Cleared) {
        *raised = before;
        return None;
    }
    found
}

/// The signals that are still raised at the end, as they were raised, by (customer, detector).
pub fn open_signals(outcome: &Outcome) -> Vec<&Signal> {
    let mut last: BTreeMap<(&str, &str), &Signal> = BTreeMap::new();
    for signal in &outcome.signals {
        last.insert((&signal.customer, signal.detector), signal);
    }
    last.into_values().filter(|signal| signal.state == SignalState::Raised).collect()
}
