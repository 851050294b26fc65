//! Watching one customer: every detector has its look, and says what changed.

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1::{ComplaintOpened, LossSignal};

use super::{
    ChurnWarning,
    absence::rests_on_absence,
    complaint_rise, frequency_drop,
    signal::{Raised, SignalState, Verdict},
    silence,
};
use crate::{
    fold::Effect,
    lifecycle::Pace,
    policy::DetectorSettings,
    scoring::Customer,
    time::{DAY_MS, Millis},
};

/// The signals of one customer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CustomerSignals {
    /// Fewer orders than expected.
    pub frequency_drop: Option<Raised>,
    /// No order for long.
    pub silence: Option<Raised>,
    /// More complaints than expected.
    pub complaint_rise: Option<Raised>,
    /// The first `frequency_drop` that would have been raised while a source was quiet.
    pub held_back: Option<Raised>,
    /// Whether the last look ended one: the next tick looks again.
    pub(super) ended_last: bool,
    /// When the calendar has this customer.
    #[serde(skip)]
    pub(super) due: Option<Millis>,
}

impl CustomerSignals {
    /// Whether there is nothing that a save has to hold.
    pub(super) fn are_none(&self) -> bool {
        *self == Self { due: self.due, ..Self::default() }
    }
}

type Look = (&'static str, Option<Verdict>);

impl ChurnWarning {
    /// Looks at a customer, and tells what changed. `opened`: the complaint that the record at hand opened.
    pub(super) fn look_at(
        &mut self,
        at: u32,
        when: Millis,
        opened: Option<(&ComplaintOpened, Millis)>,
        effects: &mut Vec<Effect>,
    ) {
        let Some((settings, _)) = &self.settings else { return };
        let settings = settings.clone();
        let Some((subject, customer)) = self.scoring.customers.get_index(at as usize) else { return };
        let (Some(pace), Some(signals)) = (customer.paces.first(), self.signals.get(at as usize)) else { return };
        let reopened = opened.is_some_and(|(complaint, time)| self.is_reopened(&settings, customer, complaint, time));
        let (looks, held_back) = self.looks(&settings, customer, pace, signals, when, reopened);
        let mut signals = signals.clone();
        if held_back != signals.held_back {
            signals.held_back = held_back;
            self.unsaved.insert(at);
        }
        let mut ended = false;
        for (detector, verdict) in looks {
            let Some(verdict) = verdict else { continue };
            effects.push(self.signal(at, subject, customer, &settings, detector, &verdict, &signals, when));
            ended |= verdict.raised.is_none();
            *slot(&mut signals, detector) = verdict.raised;
            self.unsaved.insert(at);
        }
        if ended != signals.ended_last {
            signals.ended_last = ended;
            self.unsaved.insert(at);
        }
        let due = self.next_look(&settings, customer, &signals, ended);
        self.calendar.reschedule(at, signals.due, due);
        signals.due = due;
        if let Some(known) = self.signals.get_mut(at as usize) {
            *known = signals;
        }
    }

    /// What the detectors say, and the drop that is held back from now on.
    fn looks(
        &self,
        settings: &DetectorSettings,
        customer: &Customer,
        pace: &Pace,
        signals: &CustomerSignals,
        when: Millis,
        reopened: bool,
    ) -> ([Look; 3], Option<Raised>) {
        let now = self.scoring.time();
        let stage = pace.stage(now, &settings.lifecycle, &settings.zone);
        let frequency_drop = settings.frequency_drop.as_ref();
        let (rules, zone) = (&settings.lifecycle, &settings.zone);
        let held_back = self.is_held_back(customer);
        let unless_held_back = |verdict: Option<Verdict>, raised: Option<&Raised>| {
            verdict.filter(|verdict| !(held_back && rests_on_absence(verdict, raised)))
        };
        let drop = frequency_drop.and_then(|drop| {
            let (raised, held) = (signals.frequency_drop.as_ref(), signals.held_back.as_ref());
            let found = frequency_drop::look(drop, pace, stage, now, when, raised);
            let again = |held| frequency_drop::look_at_held_back(drop, pace, stage, now, when, held);
            found.or_else(|| held.filter(|_| !held_back && raised.is_none()).and_then(again))
        });
        let keep = held_back.then(|| match (&signals.held_back, &drop) {
            (None, Some(Verdict { state: SignalState::Raised, raised, .. })) => raised.clone(),
            (known, _) => known.clone(),
        });
        let looks = [
            (
                "complaint_rise",
                settings.complaint_rise.as_ref().and_then(|rise| {
                    let raised = signals.complaint_rise.as_ref();
                    complaint_rise::look(rise, customer.ledger.complaints(), pace, now, when, reopened, raised)
                }),
            ),
            ("frequency_drop", unless_held_back(drop, signals.frequency_drop.as_ref())),
            (
                "silence",
                settings.silence.as_ref().and_then(|quiet| {
                    let raised = signals.silence.as_ref();
                    unless_held_back(silence::look(quiet, rules, zone, pace, now, when, raised), raised)
                }),
            ),
        ];
        (looks, keep.flatten())
    }

    fn is_reopened(
        &self,
        settings: &DetectorSettings,
        customer: &Customer,
        complaint: &ComplaintOpened,
        time: Millis,
    ) -> bool {
        let Some(rise) = &settings.complaint_rise else { return false };
        let recent = self.scoring.time().is_none_or(|now| time > now - i64::from(rise.window_days) * DAY_MS);
        let within = i64::from(rise.reopened_days) * DAY_MS;
        let category = self.scoring.names.known(&complaint.category);
        recent
            && category.is_some_and(|category| {
                let complaints = customer.ledger.complaints();
                complaints.closed_shortly_before(category, time, within)
            })
    }

    /// When time alone may next change a verdict.
    pub(super) fn next_look(
        &self,
        settings: &DetectorSettings,
        customer: &Customer,
        signals: &CustomerSignals,
        ended: bool,
    ) -> Option<Millis> {
        // Before the first tick everybody is to be looked at with it.
        let Some(now) = self.scoring.time() else { return Some(Millis::MIN) };
        let pace = customer.paces.first()?;
        let complaints = customer.ledger.complaints();
        let rise = settings.complaint_rise.as_ref();
        [
            // What has ended may be raised anew by the next tick, not by the same look.
            ended.then_some(now + 1),
            pace.next_change(now, &settings.lifecycle, &settings.zone),
            settings.frequency_drop.as_ref().and_then(|drop| frequency_drop::next_change(drop, pace, now)),
            rise.and_then(|rise| {
                complaint_rise::next_change(rise, complaints, pace, now, signals.complaint_rise.is_some())
            }),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    #[allow(clippy::too_many_arguments, reason = "one record, put together in one place")]
    fn signal(
        &self,
        at: u32,
        subject: &str,
        customer: &Customer,
        settings: &DetectorSettings,
        detector: &'static str,
        verdict: &Verdict,
        before: &CustomerSignals,
        when: Millis,
    ) -> Effect {
        let mut before = before.clone();
        let since = slot(&mut before, detector).as_ref().map_or(when, |raised| raised.since);
        let evidence = self.evidence(settings, customer, detector, verdict.window_days);
        let at_stake = customer.sales.first().map_or(0, |sales| sales.value);
        Effect::SignalChanged(Box::new(LossSignal {
            origin: None,
            customer: subject.to_owned(),
            detector: detector.to_owned(),
            state: verdict.state.name().to_owned(),
            at_ms: when,
            raised_at_ms: if verdict.state == SignalState::Raised { when } else { since },
            observed: verdict.observed,
            expected: verdict.expected,
            window_days: verdict.window_days,
            p: verdict.p,
            tiers: self.scoring.tiers_of(at),
            at_stake_minor: at_stake.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64,
            currency: settings.at_stake.valuation.currency.clone(),
            card: Some(customer.ledger.card()),
            history: !self.scoring.is_live(),
            events: evidence.events,
            reason: verdict.reason.clone(),
            event_count: evidence.count,
            logic: evidence.logic,
        }))
    }
}

fn slot<'a>(signals: &'a mut CustomerSignals, detector: &str) -> &'a mut Option<Raised> {
    match detector {
        "complaint_rise" => &mut signals.complaint_rise,
        "frequency_drop" => &mut signals.frequency_drop,
        _ => &mut signals.silence,
    }
}
