//! Churn-warning: the fold from the same log to loss signals.
//!
//! It folds scoring too, instead of reading `tier.changes`: a signal tells the customer's tiers as of its own record,
//! whatever pace other services keep.

mod absence;
mod complaint_rise;
mod evidence;
mod frequency_drop;
mod open;
mod poisson;
mod save;
mod signal;
mod silence;
mod watch;

use std::{collections::BTreeSet, sync::Arc};

pub use poisson::{at_least, at_most};
pub use signal::{Raised, SignalState};
use tiermesh_proto::v1::{CustomerEvent, control::Control, customer_event::Event, fact::Data};
pub use watch::CustomerSignals;

use crate::{
    fact::FactView,
    fold::{Effect, Fold, FoldError, Packed},
    policy::{self, DetectorSettings, Document},
    scoring::{Applied, Calendar, PaceSpec, Required, SalesSpec, Scoring},
};

/// The state of churn-warning in one partition.
#[derive(Debug)]
pub struct ChurnWarning {
    scoring: Scoring,
    settings: Option<(Arc<DetectorSettings>, String)>,
    /// By the customer's number in scoring.
    signals: Vec<CustomerSignals>,
    calendar: Calendar,
    /// The sources that are quiet: what rests on absence is held back for their customers.
    quiet: BTreeSet<String>,
    unsaved: BTreeSet<u32>,
}

impl ChurnWarning {
    /// The state before the first record, in a mesh of so many partitions.
    pub fn new(partitions: u32) -> Self {
        Self {
            // What it would say is scoring's to say.
            scoring: Scoring::new(partitions).silent(),
            settings: None,
            signals: Vec::new(),
            calendar: Calendar::default(),
            quiet: BTreeSet::new(),
            unsaved: BTreeSet::new(),
        }
    }

    /// As a release that knows these ways of folding, and no others.
    #[must_use]
    pub fn knowing(mut self, known_logic: &'static [u32]) -> Self {
        self.scoring = self.scoring.knowing(known_logic);
        self
    }

    /// The scoring that it folds along.
    pub(crate) fn scoring(&self) -> &Scoring {
        &self.scoring
    }

    fn take_control(&mut self, event: &CustomerEvent, effects: &mut Vec<Effect>) -> Result<(), FoldError> {
        let Some(Event::Control(copy)) = &event.event else { return Ok(()) };
        let control = copy.control.as_ref().and_then(|control| control.control.as_ref());
        match control {
            Some(Control::DetectorsActivated(activated)) => {
                if let Document::Detectors(settings) = policy::parse(&activated.text)? {
                    self.put_in_force(*settings, &activated.text);
                    (0..self.scoring.customers.len() as u32).for_each(|at| self.look_again(at, effects));
                }
            }
            Some(Control::SourceQuiet(quiet)) => self.hold_back(&quiet.source),
            Some(Control::SourceBack(back)) => self.release(&back.source, effects),
            _ => {}
        }
        Ok(())
    }

    /// Looks at a customer to whom nothing happened: as of the last tick.
    fn look_again(&mut self, at: u32, effects: &mut Vec<Effect>) {
        let when = self.scoring.time().unwrap_or(self.latest(at));
        self.look_at(at, when, None, effects);
    }

    fn put_in_force(&mut self, settings: DetectorSettings, text: &str) {
        let sales = SalesSpec {
            days: settings.at_stake.days,
            counts_when: settings.counts_when,
            valuation: Arc::new(settings.at_stake.valuation.clone()),
        };
        let pace = PaceSpec { counts_when: settings.counts_when, zone: settings.zone.clone() };
        self.scoring.require(Required { sales: vec![sales], paces: vec![pace] });
        self.settings = Some((Arc::new(settings), text.to_owned()));
    }

    fn make_room(&mut self) {
        self.signals.resize_with(self.scoring.customers.len(), CustomerSignals::default);
    }

    fn latest(&self, at: u32) -> i64 {
        self.scoring.customers.get_index(at as usize).map_or(0, |(_, customer)| customer.ledger.latest)
    }
}

impl Fold for ChurnWarning {
    type Input = CustomerEvent;

    fn apply(&mut self, event: &CustomerEvent, effects: &mut Vec<Effect>) -> Result<(), FoldError> {
        // What scoring finds contradictory is scoring's to say.
        let applied = self.scoring.take(event, &mut Vec::new())?;
        self.make_room();
        match (applied, &event.event) {
            (Applied::Control, _) => self.take_control(event, effects)?,
            (Applied::Fact(at), Some(Event::Fact(fact))) => {
                let opened = match &fact.data {
                    Some(Data::ComplaintOpened(complaint)) => Some((complaint, fact.time_ms)),
                    _ => None,
                };
                self.look_at(at, fact.time_ms, opened, effects);
            }
            (Applied::Tick(now), _) => {
                let mut due = BTreeSet::new();
                for at in self.calendar.take_due(now) {
                    if let Some(signals) = self.signals.get_mut(at as usize) {
                        signals.due = None;
                    }
                    due.insert(at);
                }
                for at in due {
                    self.look_at(at, now, None, effects);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_encoded(&mut self, record: &[u8], effects: &mut Vec<Effect>) -> Option<Result<(), FoldError>> {
        let order = FactView::of_order(record)?;
        let applied = self.scoring.fact(&order, &mut Vec::new());
        Some(applied.map(|applied| {
            self.make_room();
            if let Applied::Fact(at) = applied {
                self.look_at(at, order.time_ms, None, effects);
            }
        }))
    }

    fn look_ahead<'a>(&self, subjects: impl Iterator<Item = &'a str>) {
        self.scoring.look_ahead_at(subjects);
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.pack_all()
    }

    fn delta(&mut self) -> Packed {
        self.pack_changed()
    }

    fn load(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        self.unpack(segments)
    }
}
