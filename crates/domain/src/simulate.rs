//! Simulation: history under policies, on the spot. The same folds as in the services, one partition, no log.

use tiermesh_proto::v1::{
    self, Control, ControlCopy, CustomerEvent, Fact, LossSignal, Origin, TierChange, control, customer_event::Event,
};

use crate::{
    fact,
    fold::{Effect, Fold, FoldError},
    lines,
    policy::{self, Document, PolicyError},
    rank::Coordinator,
    scoring::{CustomerStanding, KNOWN_LOGIC, Scoring},
    signals::ChurnWarning,
    time::{Millis, Zone},
};

/// What history came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Where everybody stands at the end, by customer and policy.
    pub customers: Vec<CustomerStanding>,
    /// Every tier change, by (at, customer, programme, policy).
    pub changes: Vec<TierChange>,
    /// Every loss signal raised, updated, ended, by (at, customer, detector).
    pub signals: Vec<LossSignal>,
    /// Events that contradict an earlier one of their name.
    pub conflicts: usize,
}

/// Why a simulation can't run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    /// A policy can't be read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The facts can't be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

/// Runs facts, in any order, through the policies: ticks at each midnight of the policy's time zone after the first
/// fact, and at `until`; nothing after it counts. Each policy gives what it gives alone.
///
/// # Errors
/// [`SimulateError`] if a policy or a fact can't be used.
pub fn simulate(mut facts: Vec<Fact>, documents: &[String], until: Millis) -> Result<Outcome, SimulateError> {
    facts.retain(|fact| fact.time_ms <= until);
    fact::sort(&mut facts);
    let mut by_zone: Vec<(Zone, Vec<&String>, bool)> = Vec::new();
    for text in documents {
        let (zone, detects) = match policy::parse(text)? {
            Document::Tiers(policy) => (policy.zone, false),
            Document::Detectors(settings) => (settings.zone, true),
        };
        match by_zone.iter_mut().find(|(known, ..)| known.name() == zone.name()) {
            Some((_, texts, any)) => {
                texts.push(text);
                *any |= detects;
            }
            None => by_zone.push((zone, vec![text], detects)),
        }
    }
    let mut outcome = Outcome::default();
    for (zone, texts, detects) in by_zone {
        let mut run = Run::new(&texts, detects)?;
        run.history(&facts, &zone, until)?;
        outcome.customers.extend(run.scoring.standings());
        outcome.changes.extend(run.changes);
        outcome.signals.extend(run.signals);
        outcome.conflicts = run.conflicts;
    }
    lines::sort_customers(&mut outcome.customers);
    lines::sort_changes(&mut outcome.changes);
    lines::sort_signals(&mut outcome.signals);
    Ok(outcome)
}

/// One mesh in miniature: a partition of scoring, one of churn-warning, the coordinator.
struct Run {
    scoring: Scoring,
    churn_warning: Option<ChurnWarning>,
    coordinator: Coordinator,
    controls: u64,
    summaries: u64,
    changes: Vec<TierChange>,
    signals: Vec<LossSignal>,
    conflicts: usize,
}

impl Run {
    fn new(documents: &[&String], detects: bool) -> Result<Self, SimulateError> {
        let mut run = Self {
            scoring: Scoring::new(1),
            churn_warning: detects.then(|| ChurnWarning::new(1)),
            coordinator: Coordinator::default(),
            controls: 0,
            summaries: 0,
            changes: Vec::new(),
            signals: Vec::new(),
            conflicts: 0,
        };
        let logic = KNOWN_LOGIC.last().copied().unwrap_or(1);
        run.control(control::Control::LogicActivated(v1::LogicActivated { logic }))?;
        for text in documents {
            let text = (*text).clone();
            run.control(match policy::parse(&text)? {
                Document::Tiers(_) => control::Control::PolicyActivated(v1::PolicyActivated { text }),
                Document::Detectors(_) => control::Control::DetectorsActivated(v1::DetectorsActivated { text }),
            })?;
        }
        Ok(run)
    }

    fn history(&mut self, facts: &[Fact], zone: &Zone, until: Millis) -> Result<(), SimulateError> {
        let Some(first) = facts.first() else { return Ok(()) };
        let mut midnight = zone.next_midnight(first.time_ms);
        for fact in facts {
            while midnight < fact.time_ms {
                self.tick(midnight)?;
                midnight = zone.next_midnight(midnight);
            }
            self.record(CustomerEvent { event: Some(Event::Fact(fact.clone())) })?;
        }
        while midnight < until {
            self.tick(midnight)?;
            midnight = zone.next_midnight(midnight);
        }
        self.tick(until)
    }

    fn tick(&mut self, time_ms: Millis) -> Result<(), SimulateError> {
        self.record(CustomerEvent { event: Some(Event::Tick(v1::Tick { time_ms })) })
    }

    fn control(&mut self, control: control::Control) -> Result<(), SimulateError> {
        let control = Some(Control { origin: None, control: Some(control) });
        let copy = ControlCopy { number: self.controls, control };
        self.controls += 1;
        self.record(CustomerEvent { event: Some(Event::Control(copy)) })
    }

    fn record(&mut self, record: CustomerEvent) -> Result<(), SimulateError> {
        let mut effects = Vec::new();
        self.scoring.apply(&record, &mut effects)?;
        if let Some(churn_warning) = &mut self.churn_warning {
            churn_warning.apply(&record, &mut effects)?;
        }
        effects.sort_by(|a, b| a.canonical_key().cmp(&b.canonical_key()));
        let mut controls = Vec::new();
        for effect in effects {
            match effect {
                Effect::TierChanged(change) => self.changes.push(*change),
                Effect::SignalChanged(signal) => self.signals.push(*signal),
                Effect::Conflict(_) => self.conflicts += 1,
                Effect::Control(_) => {}
                Effect::Summary(mut summary) => {
                    self.summaries += 1;
                    let sequence = self.summaries;
                    summary.origin = Some(Origin { service: String::new(), partition: 0, offset: 0, sequence });
                    self.coordinator.apply(&summary, &mut controls)?;
                }
            }
        }
        for effect in controls {
            if let Effect::Control(Control { control: Some(control), .. }) = effect {
                self.control(control)?;
            }
        }
        Ok(())
    }
}
