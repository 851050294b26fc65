//! Facts: one is taken in, its customer's views are shifted, and the customer is tiered.

use prost::Message;
use tiermesh_proto::v1::{CustomerEvent, DeadLetter, Fact, customer_event::Event};

use super::{Customer, Scoring, explain::Cause, grade::ranked_value, qualify::Occasion};
use crate::{
    fold::{Effect, Fold, FoldError},
    ledger::Admission,
    time::Millis,
};

/// What a record did, for whoever folds along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Nothing: it was known, or came too late to count.
    Nothing,
    /// A fact of this customer was taken in.
    Fact(u32),
    /// A tick moved time on.
    Tick(Millis),
    /// A control record took effect.
    Control,
}

impl Scoring {
    /// Takes in one record.
    ///
    /// # Errors
    /// [`FoldError`] if this release can't fold it.
    pub fn take(&mut self, event: &CustomerEvent, effects: &mut Vec<Effect>) -> Result<Applied, FoldError> {
        match &event.event {
            Some(Event::Fact(fact)) => self.fact(fact, effects),
            Some(Event::Tick(tick)) => Ok(self.tick(tick.time_ms, effects)),
            Some(Event::Control(copy)) => self.control(copy, effects),
            None => Err(FoldError::corrupt("a record of customer.events holds neither fact nor tick nor control")),
        }
    }

    fn fact(&mut self, fact: &Fact, effects: &mut Vec<Effect>) -> Result<Applied, FoldError> {
        if self.logic == 0 {
            return Err(FoldError::corrupt("a fact came before any logic was activated"));
        }
        let at = self.customer_index(&fact.subject);
        let Some((_, customer)) = self.customers.get_index_mut(at as usize) else {
            return Err(FoldError::corrupt("a customer was numbered and is not there"));
        };
        match customer.ledger.admit(fact) {
            Admission::New => {}
            Admission::Duplicate => return Ok(Applied::Nothing),
            Admission::Conflict => {
                effects.push(conflict(fact));
                return Ok(Applied::Nothing);
            }
        }
        self.unsaved.insert(at);
        let entry = customer.ledger.touches(fact);
        let orders = &customer.ledger.orders;
        if let Some(now) = self.time {
            // Windows were last moved when something left them: what comes late must not slip in behind their start.
            for (spec, window) in self.sales_specs.iter().zip(&mut customer.sales) {
                window.advance(orders, spec, &self.names, now);
            }
        }
        let before: Vec<_> = match entry {
            None => Vec::new(),
            Some(entry) => {
                let sums = self.sales_specs.iter();
                sums.map(|spec| orders.contribution(entry, spec.counts_when, &spec.valuation, &self.names)).collect()
            }
        };
        let counted: Vec<_> = match entry {
            None => Vec::new(),
            Some(entry) => self.pace_specs.iter().map(|spec| orders.counting_time(entry, spec.counts_when)).collect(),
        };
        customer.ledger.apply(fact, &mut self.names)?;
        if let Some(entry) = entry {
            let orders = &customer.ledger.orders;
            for ((spec, window), before) in self.sales_specs.iter().zip(&mut customer.sales).zip(before) {
                window.remove(before);
                window.add(orders.contribution(entry, spec.counts_when, &spec.valuation, &self.names));
            }
            for ((spec, pace), before) in self.pace_specs.iter().zip(&mut customer.paces).zip(counted) {
                let after = orders.counting_time(entry, spec.counts_when);
                if before != after {
                    before.inspect(|time| pace.remove(*time, &spec.zone));
                    after.inspect(|time| pace.insert(*time, &spec.zone));
                }
            }
            self.rank(at);
        }
        self.count_source(&fact.source);
        self.reschedule(at);
        let cause = Cause::Event { id: &fact.id };
        self.tier_all(at, &Occasion { cause, when: fact.time_ms, review: None }, effects);
        Ok(Applied::Fact(at))
    }

    fn customer_index(&mut self, subject: &str) -> u32 {
        if let Some(at) = self.customers.get_index_of(subject) {
            return at as u32;
        }
        let mut customer = Customer::default();
        customer.derive(&self.sales_specs, &self.pace_specs, &self.names, self.time);
        customer.ranked = vec![None; self.ranked.len()];
        self.customers.insert_full(subject.into(), customer).0 as u32
    }

    /// Puts a customer where its values now belong among the ranked.
    pub(crate) fn rank(&mut self, at: u32) {
        let Some((_, customer)) = self.customers.get_index_mut(at as usize) else { return };
        for (ranked, stands) in self.ranked.values_mut().zip(&mut customer.ranked) {
            let value = customer.sales.get(ranked.sales).and_then(|sales| ranked_value(sales, ranked.by_orders));
            ranked.members.shift(at, *stands, value);
            *stands = value;
        }
    }
}

impl Fold for Scoring {
    type Input = CustomerEvent;

    fn apply(&mut self, event: &CustomerEvent, effects: &mut Vec<Effect>) -> Result<(), FoldError> {
        self.take(event, effects).map(|_| ())
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.pack_all()
    }

    fn delta(&mut self) -> Vec<u8> {
        self.pack_changed()
    }

    fn load(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        self.unpack(segments)
    }
}

fn conflict(fact: &Fact) -> Effect {
    Effect::Conflict(Box::new(DeadLetter {
        reason: "an event of this source and id is known with other content; the first stands".to_owned(),
        field: "id".to_owned(),
        original: fact.encode_to_vec(),
        content_type: "application/protobuf; messageType=tiermesh.v1.Fact".to_owned(),
        received_ms: fact.time_ms,
        source: fact.source.clone(),
        id: fact.id.clone(),
        subject: fact.subject.clone(),
        ..DeadLetter::default()
    }))
}
