//! The loss signals of a history, also of one in which sources were quiet for a while.
//!
//! "When a source that usually sends has gone quiet, signals that rest on absence are held back for its customers." When
//! a source is quiet is given here; to find it out is the mesh's.

use std::collections::{BTreeMap, BTreeSet};

use tiermesh_domain::{policy::DetectorSettings, time::Millis};
use tiermesh_proto::v1::{Fact, fact::Data};

use crate::{
    complaints::Opening,
    known::Known,
    log::{first_of_each_name, in_total_order},
    outcome::Signal,
    signals::{self, Look, Raised},
    timeline::{Step, timeline},
};

/// A source that was quiet between two ticks: right behind the first it was found quiet, right behind the second it was
/// back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    /// The source.
    pub source: String,
    /// The tick behind which it was found quiet.
    pub from: Millis,
    /// The tick behind which it was back.
    pub until: Millis,
}

/// The loss signals of a history in which some sources were quiet for a while.
pub fn signals_with_quiet_sources(
    facts: &[Fact],
    settings: &DetectorSettings,
    until: Millis,
    quiet: &[Quiet],
) -> Vec<Signal> {
    let sorted = in_total_order(facts);
    let mut log = first_of_each_name(&sorted);
    log.retain(|fact| fact.time_ms <= until);
    let mut watch =
        Watch { settings, known: Known::default(), order_sources: BTreeMap::new(), raised: BTreeMap::new() };
    let mut now_quiet: BTreeSet<&str> = BTreeSet::new();
    let mut last_tick = None;
    let mut signals = Vec::new();
    for step in timeline(&log, &settings.zone, until) {
        match step {
            Step::Fact(fact) => {
                watch.learn(fact);
                let look = Look { at: fact.time_ms, tick: last_tick, just_opened: Opening::of(fact) };
                signals.extend(watch.look(&fact.subject, look, &now_quiet));
            }
            Step::Tick(tick) => {
                last_tick = Some(tick);
                let look = Look { at: tick, tick: last_tick, just_opened: None };
                for customer in watch.customers() {
                    signals.extend(watch.look(customer, look, &now_quiet));
                }
                let silent = quiet.iter().filter(|quiet| quiet.from == tick);
                now_quiet.extend(silent.map(|quiet| quiet.source.as_str()));
                for back in quiet.iter().filter(|quiet| quiet.until == tick) {
                    now_quiet.remove(back.source.as_str());
                    for customer in watch.customers_of(&back.source) {
                        signals.extend(watch.look(customer, look, &now_quiet));
                    }
                }
            }
        }
    }
    // Stable: what happened to one customer at one instant keeps its order.
    signals.sort_by(|a, b| (a.at, &a.customer, a.detector).cmp(&(b.at, &b.customer, b.detector)));
    signals
}

struct Watch<'a, 's> {
    settings: &'s DetectorSettings,
    known: Known<'a>,
    /// Which sources said something of a customer's orders.
    order_sources: BTreeMap<&'a str, BTreeSet<&'a str>>,
    raised: BTreeMap<&'a str, Raised>,
}

impl<'a> Watch<'a, '_> {
    fn learn(&mut self, fact: &'a Fact) {
        self.known.learn(fact);
        let sources = self.order_sources.entry(&fact.subject).or_default();
        if let Some(
            Data::OrderPlaced(_)
            | Data::OrderPaid(_)
            | Data::OrderFulfilled(_)
            | Data::OrderCorrected(_)
            | Data::OrderCancelled(_)
            | Data::OrderRefunded(_),
        ) = &fact.data
        {
            sources.insert(&fact.source);
        }
    }

    fn customers(&self) -> Vec<&'a str> {
        self.known.books.keys().copied().collect()
    }

    fn customers_of(&self, source: &str) -> Vec<&'a str> {
        let concerned = self.order_sources.iter().filter(|(_, sources)| sources.contains(source));
        concerned.map(|(customer, _)| *customer).collect()
    }

    fn look(&mut self, customer: &'a str, look: Look<'_>, quiet: &BTreeSet<&str>) -> Vec<Signal> {
        let raised = self.raised.entry(customer).or_default();
        let held_back = self.order_sources[customer].iter().any(|source| quiet.contains(source));
        signals::evaluate(customer, &self.known.books[customer], raised, self.settings, look, held_back)
    }
}
