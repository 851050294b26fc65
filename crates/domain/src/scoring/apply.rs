//! Facts: one is taken in, its customer's views are shifted, and the customer is tiered.

use smallvec::SmallVec;
use tiermesh_proto::v1::{CustomerEvent, DeadLetter, customer_event::Event};

use super::{Customer, PaceSpec, Scoring, explain::Cause, qualify::Occasion, views::window_start};
use crate::{
    fact::FactView,
    fold::{Effect, Fold, FoldError, Packed},
    ledger::{Admission, Touched},
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
            Some(Event::Fact(fact)) => self.fact(&FactView::of(fact), effects),
            Some(Event::Tick(tick)) => Ok(self.tick(tick.time_ms, effects)),
            Some(Event::Control(copy)) => self.control(copy, effects),
            None => Err(FoldError::corrupt("a record of customer.events holds neither fact nor tick nor control")),
        }
    }

    /// Takes in a fact.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(crate) fn fact(&mut self, fact: &FactView<'_>, effects: &mut Vec<Effect>) -> Result<Applied, FoldError> {
        if self.logic == 0 {
            return Err(FoldError::corrupt("a fact came before any logic was activated"));
        }
        let at = self.customer_index(fact.subject);
        let Some((_, customer)) = self.customers.get_index_mut(at as usize) else {
            return Err(FoldError::corrupt("a customer was numbered and is not there"));
        };
        match customer.ledger.admit(fact, &mut self.scratch) {
            Admission::New => {}
            Admission::Duplicate => return Ok(Applied::Nothing),
            Admission::Conflict => {
                effects.push(conflict(fact));
                return Ok(Applied::Nothing);
            }
        }
        self.sweep.changed(at);
        match customer.ledger.touches(fact, &mut self.scratch) {
            None => customer.ledger.apply(fact, None, &mut self.names)?,
            Some(touched) => self.sale(at, fact, touched)?,
        }
        self.count_source(fact.source);
        self.reschedule(at);
        let cause = Cause::Event { id: fact.id };
        self.tier_all(at, &Occasion { cause, when: fact.time_ms, review: None }, effects);
        Ok(Applied::Fact(at))
    }

    /// Takes in a fact that may change the customer's sales: what the order or refund contributed to the views gives way
    /// to what it contributes now.
    fn sale(&mut self, at: u32, fact: &FactView<'_>, touched: Touched) -> Result<(), FoldError> {
        let Some((_, customer)) = self.customers.get_index_mut(at as usize) else { return Ok(()) };
        let (entry, now) = (touched.entry, self.time);
        let values = self.ranked.values().map(|ranked| ranked.value(customer));
        let ranked_before: SmallVec<[Option<i64>; 4]> = values.collect();
        let counting =
            |customer: &Customer, spec: &PaceSpec| customer.ledger.orders.counting_time(entry, spec.counts_when);
        let counted_before: SmallVec<[Option<Millis>; 4]> =
            self.pace_specs.iter().map(|spec| counting(customer, spec)).collect();
        if !touched.is_new {
            for (view, window) in self.sales_views.iter().zip(&mut customer.sales) {
                view.shift(window, &customer.ledger.orders, entry, &self.names, now, -1);
            }
        }
        customer.ledger.apply(fact, Some(touched), &mut self.names)?;
        let orders = &customer.ledger.orders;
        for (view, window) in self.sales_views.iter().zip(&mut customer.sales) {
            view.shift(window, orders, entry, &self.names, now, 1);
            let start = window_start(now, view.spec.days);
            match orders.time(entry) {
                Some(time) if touched.is_new && time > start => window.first = window.first.min(time),
                // Its time may have been another, even the first.
                _ => window.first = orders.first_after(start).unwrap_or(Millis::MAX),
            }
        }
        for (nth, (spec, before)) in self.pace_specs.iter().zip(counted_before).enumerate() {
            let after = counting(customer, spec);
            let Some(pace) = customer.paces.get_mut(nth).filter(|_| before != after) else { continue };
            before.inspect(|time| pace.remove(*time, &spec.zone));
            after.inspect(|time| pace.insert(*time, &spec.zone));
        }
        for (ranked, before) in self.ranked.values_mut().zip(ranked_before) {
            let after = ranked.value(customer);
            ranked.members.shift(at, before, after);
        }
        Ok(())
    }

    fn customer_index(&mut self, subject: &str) -> u32 {
        if let Some(at) = self.customers.get_index_of(subject) {
            return at as u32;
        }
        let mut customer = Customer::default();
        customer.derive(&self.sales_views, &self.pace_specs, &self.names, self.time);
        self.customers.insert_full(subject.into(), customer).0 as u32
    }
}

impl Fold for Scoring {
    type Input = CustomerEvent;

    fn apply(&mut self, event: &CustomerEvent, effects: &mut Vec<Effect>) -> Result<(), FoldError> {
        self.take(event, effects).map(|_| ())
    }

    fn apply_encoded(&mut self, record: &[u8], effects: &mut Vec<Effect>) -> Option<Result<(), FoldError>> {
        let order = FactView::of_order(record)?;
        Some(self.fact(&order, effects).map(|_| ()))
    }

    fn look_ahead<'a>(&self, subjects: impl Iterator<Item = &'a str>) {
        self.look_ahead_at(subjects);
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.pack_all()
    }

    fn delta(&mut self) -> Packed {
        self.pack_changed().0
    }

    fn load(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        self.unpack(segments)?;
        // A save of a later release, whose logic was activated meanwhile.
        if self.logic == 0 { Ok(()) } else { self.must_know(self.logic) }
    }
}

fn conflict(fact: &FactView<'_>) -> Effect {
    Effect::Conflict(Box::new(DeadLetter {
        reason: "an event of this source and id is known with other content; the first stands".to_owned(),
        field: "id".to_owned(),
        original: fact.to_bytes(),
        content_type: "application/protobuf; messageType=tiermesh.v1.Fact".to_owned(),
        received_ms: fact.time_ms,
        source: fact.source.to_owned(),
        id: fact.id.to_owned(),
        subject: fact.subject.to_owned(),
        ..DeadLetter::default()
    }))
}
