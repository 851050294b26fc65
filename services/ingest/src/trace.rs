//! Traces: what a request brought in carries the trace on, from the request's span by way of one for each send.

use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::{
    Context, KeyValue,
    global::BoxedSpan,
    trace::{SpanKind, TraceContextExt},
};
use tiermesh_event_log::{NewRecord, topics::CUSTOMER_EVENTS};
use tiermesh_service_host::telemetry::{format, is_sampled, parse, span_of, traceparent_of};

/// Most events of one request that are traced: each leads to spans in every service that folds it.
const MOST_TRACED: usize = 1_000;

/// The trace of one request, or of whatever else brings events in.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// What to go on from.
    parent: Option<String>,
    /// So many more events may be traced.
    left: AtomicUsize,
}

impl Trace {
    /// Goes on from the span that is current, which is that of the request, else from what was brought along.
    pub(crate) fn of(brought: Option<String>) -> Self {
        let brought = brought.filter(|value| parse(value).is_some());
        // A trace that began here and isn't recorded is of no use to anyone.
        let parent = current().filter(|value| brought.is_some() || is_sampled(value)).or(brought);
        Self { parent, left: AtomicUsize::new(MOST_TRACED) }
    }

    /// Begins to send records to a partition of `customer.events`, which from now on carry the trace. The span ends when
    /// it is dropped.
    pub(crate) fn send(&self, system: &'static str, partition: u32, records: &mut [NewRecord]) -> Option<BoxedSpan> {
        let parent = self.parent.as_deref()?;
        if !is_sampled(parent) {
            mark(records, parent);
            return None;
        }
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(records.len())));
        let traced = before.unwrap_or_default().min(records.len());
        if traced == 0 {
            return None;
        }
        let mut attributes = sending(system);
        attributes.push(KeyValue::new("messaging.destination.partition.id", partition.to_string()));
        attributes.push(KeyValue::new("messaging.batch.message_count", records.len() as i64));
        let span = span_of(Some(parent), name(), SpanKind::Producer, &[], attributes);
        if let Some(value) = traceparent_of(&span) {
            mark(&mut records[..traced], &value);
        }
        Some(span)
    }
}

/// The trace of a tick: a new one, which few of them have.
pub(crate) fn trace_tick(system: &'static str, tick: &mut NewRecord) {
    let span = span_of(None, name(), SpanKind::Producer, &[], sending(system));
    if let Some(value) = traceparent_of(&span).filter(|value| is_sampled(value)) {
        mark(std::slice::from_mut(tick), &value);
    }
}

/// The trace that is current, as records carry it.
pub(crate) fn current() -> Option<String> {
    Context::map_current(|context| {
        let span = context.span();
        Some(span.span_context()).filter(|context| context.is_valid()).map(format)
    })
}

fn mark(records: &mut [NewRecord], traceparent: &str) {
    let is_recorded = is_sampled(traceparent);
    records.iter_mut().for_each(|record| record.carry_trace(traceparent, is_recorded));
}

fn name() -> String {
    format!("send {}", CUSTOMER_EVENTS.name)
}

fn sending(system: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", system),
        KeyValue::new("messaging.operation.type", "send"),
        KeyValue::new("messaging.operation.name", "send"),
        KeyValue::new("messaging.destination.name", CUSTOMER_EVENTS.name),
    ]
}

#[cfg(test)]
mod tests {
    use tiermesh_service_host::telemetry::TRACEPARENT;

    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    /// How many of so many records carry the trace.
    fn marked(trace: &Trace, count: usize) -> usize {
        let mut records = vec![NewRecord::default(); count];
        drop(trace.send("test", 0, &mut records));
        records.iter().filter(|record| record.headers.get(TRACEPARENT).is_some()).count()
    }

    #[test]
    fn records_carry_what_was_brought_and_nothing_else() {
        assert_eq!(marked(&Trace::of(None), 3), 0);
        assert_eq!(marked(&Trace::of(Some("no trace".to_owned())), 3), 0);
        assert_eq!(marked(&Trace::of(Some(UNSAMPLED.to_owned())), 2_000), 2_000);
        assert_eq!(marked(&Trace::of(Some(SAMPLED.to_owned())), 3), 3);
    }

    #[test]
    fn of_a_large_request_the_first_thousand_are_traced() {
        let trace = Trace::of(Some(SAMPLED.to_owned()));
        assert_eq!([600, 600, 600].map(|count| marked(&trace, count)), [600, 400, 0]);
    }
}
