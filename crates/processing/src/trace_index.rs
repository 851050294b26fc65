//! Which facts belong to a trace that is recorded: so that what time leads to can be linked to the facts it rests on.
//!
//! It is a function of the records alone, is saved with the state, and has no influence on what a fold says.

use std::collections::{BTreeMap, VecDeque};

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use prost::Message;
use tiermesh_domain::hash;
use tiermesh_event_log::Record;
use tiermesh_service_host::telemetry::{TRACEPARENT, parse};

/// Most facts of a partition that are known; then the eldest is forgotten. Some 100 bytes each.
const MOST_FACTS: usize = 16_384;

/// A fact of a recorded trace, as it is saved.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct TracedFact {
    #[prost(fixed64, tag = "1")]
    fact_high: u64,
    #[prost(fixed64, tag = "2")]
    fact_low: u64,
    #[prost(fixed64, tag = "3")]
    trace_high: u64,
    #[prost(fixed64, tag = "4")]
    trace_low: u64,
    #[prost(fixed64, tag = "5")]
    span: u64,
}

/// The traces of the facts that came last.
#[derive(Debug, Default)]
pub(crate) struct TraceIndex {
    traces: BTreeMap<u128, TracedFact>,
    /// In the order they came.
    order: VecDeque<u128>,
    /// So many at the end of `order` aren't saved yet.
    fresh: usize,
}

impl TraceIndex {
    /// Notes a record that is keyed by a customer and belongs to a recorded trace.
    pub(crate) fn note(&mut self, record: &Record) {
        // Most records belong to none: nothing is allocated for them.
        let Some(context) = record.header(TRACEPARENT).and_then(parse).filter(SpanContext::is_sampled) else { return };
        let (Ok(customer), Some(id)) = (std::str::from_utf8(&record.key), record.header("ce_id")) else { return };
        if customer.is_empty() {
            return;
        }
        let (fact_high, fact_low) = halves(hash::identity_of(&[customer, id]));
        let (trace_high, trace_low) = halves(u128::from_be_bytes(context.trace_id().to_bytes()));
        let span = u64::from_be_bytes(context.span_id().to_bytes());
        self.add(TracedFact { fact_high, fact_low, trace_high, trace_low, span });
    }

    /// The traces of these facts of a customer, as far as known; each once.
    pub(crate) fn of_facts(&self, customer: &str, ids: &[String]) -> Vec<SpanContext> {
        if self.traces.is_empty() {
            return Vec::new();
        }
        let known = ids.iter().filter_map(|id| self.traces.get(&hash::identity_of(&[customer, id])));
        let mut contexts: Vec<SpanContext> = known.map(TracedFact::context).collect();
        contexts.dedup();
        contexts
    }

    /// All that is known, to be saved.
    pub(crate) fn snapshot(&mut self) -> Vec<TracedFact> {
        self.fresh = self.order.len();
        self.delta()
    }

    /// What was noted since the last snapshot or delta, to be saved.
    pub(crate) fn delta(&mut self) -> Vec<TracedFact> {
        let fresh = std::mem::take(&mut self.fresh);
        self.order.range(self.order.len() - fresh..).filter_map(|fact| self.traces.get(fact).copied()).collect()
    }

    /// Takes over what was saved.
    pub(crate) fn load(&mut self, saved: Vec<TracedFact>) {
        saved.into_iter().for_each(|traced| self.add(traced));
        self.fresh = 0;
    }

    fn add(&mut self, traced: TracedFact) {
        let fact = (u128::from(traced.fact_high) << 64) | u128::from(traced.fact_low);
        // Of two by one name the first stands, as in the fold.
        if self.traces.contains_key(&fact) {
            return;
        }
        self.traces.insert(fact, traced);
        self.order.push_back(fact);
        self.fresh += 1;
        if self.order.len() > MOST_FACTS
            && let Some(eldest) = self.order.pop_front()
        {
            self.traces.remove(&eldest);
            self.fresh = self.fresh.min(self.order.len());
        }
    }
}

impl TracedFact {
    fn context(&self) -> SpanContext {
        let trace = (u128::from(self.trace_high) << 64) | u128::from(self.trace_low);
        let (trace, span) = (TraceId::from(trace), SpanId::from(self.span));
        SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE)
    }
}

fn halves(number: u128) -> (u64, u64) {
    ((number >> 64) as u64, number as u64)
}

#[cfg(test)]
mod tests {
    use tiermesh_service_host::telemetry::format;

    use super::*;

    fn record(customer: &str, number: usize, flags: &str) -> Record {
        let traceparent = format!("00-{:032x}-{:016x}-{flags}", number + 1, number + 1);
        let headers = [("ce_id", format!("e-{number}")), (TRACEPARENT, traceparent)].into_iter().collect();
        Record { offset: 1, key: customer.to_owned().into(), value: "".into(), headers }
    }

    fn known(index: &TraceIndex, customer: &str, number: usize) -> Vec<String> {
        index.of_facts(customer, &[format!("e-{number}")]).iter().map(format).collect()
    }

    #[test]
    fn only_facts_of_recorded_traces_are_known() {
        let mut index = TraceIndex::default();
        index.note(&record("c", 1, "01"));
        index.note(&record("c", 2, "00"));
        index.note(&record("", 3, "01"));
        assert_eq!(known(&index, "c", 1), ["00-00000000000000000000000000000002-0000000000000002-01"]);
        for (customer, number) in [("c", 2), ("", 3), ("d", 1)] {
            assert_eq!(known(&index, customer, number), [""; 0], "{customer:?} {number}");
        }
    }

    #[test]
    fn what_was_saved_is_known_again_and_saved_once() {
        let mut index = TraceIndex::default();
        (0..3).for_each(|number| index.note(&record("c", number, "01")));
        let snapshot = index.snapshot();
        assert_eq!((snapshot.len(), index.delta().len()), (3, 0));
        index.note(&record("c", 3, "01"));
        index.note(&record("c", 3, "01"));
        let delta = index.delta();
        assert_eq!(delta.len(), 1);
        let mut loaded = TraceIndex::default();
        loaded.load(snapshot);
        loaded.load(delta);
        assert_eq!(loaded.delta().len(), 0);
        assert_eq!(loaded.snapshot(), index.snapshot());
        assert_eq!(known(&loaded, "c", 3).len(), 1);
    }

    #[test]
    fn the_eldest_is_forgotten() {
        let mut index = TraceIndex::default();
        (0..=MOST_FACTS).for_each(|number| index.note(&record("c", number, "01")));
        assert_eq!(known(&index, "c", 0), [""; 0]);
        assert_eq!(known(&index, "c", MOST_FACTS).len(), 1);
        assert_eq!(index.delta().len(), MOST_FACTS);
    }
}
