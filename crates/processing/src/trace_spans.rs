//! The spans of what a partition does with records of recorded traces, and the trace that its outputs carry on.
//!
//! What a fact leads to goes on in the fact's trace. What time leads to, for a customer, begins a trace of its own, which
//! links to the tick and to the facts it rests on, and is recorded if one of them is.

use opentelemetry::{
    KeyValue,
    global::BoxedSpan,
    trace::{Span, SpanContext, SpanKind, Status},
};
use tiermesh_event_log::Record;
use tiermesh_service_host::telemetry::{TRACEPARENT, parse, span_of, traceparent_of};

use crate::outgoing::Outgoing;

/// Most traces that one record begins.
const MOST_ROOTS: usize = 1_000;

/// Makes the spans of one partition.
pub(crate) struct Spans {
    /// `messaging.system`
    pub(crate) system: &'static str,
    pub(crate) service: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) partition: u32,
}

/// A record while it is folded.
pub(crate) struct Processing {
    context: Option<SpanContext>,
    span: Option<BoxedSpan>,
}

impl Spans {
    /// Begins to process a record. Where its trace isn't recorded, nothing is allocated.
    pub(crate) fn begin(&self, record: &Record) -> Processing {
        let traceparent = record.header(TRACEPARENT);
        let context = traceparent.and_then(parse);
        let sampled = context.as_ref().is_some_and(SpanContext::is_sampled);
        let span = sampled.then(|| self.span(traceparent, record, &[]));
        Processing { context, span }
    }

    /// Ends it; what it led to carries the trace on.
    pub(crate) fn end(&self, processing: Processing, record: &Record, outgoing: &mut [Outgoing]) {
        let Processing { context, span } = processing;
        let carried = span.as_ref().and_then(traceparent_of);
        let mut roots = 0;
        for out in outgoing {
            let traceparent = match &out.rests_on {
                None => carried.clone(),
                Some(facts) => {
                    let links: Vec<SpanContext> = context.iter().chain(facts).cloned().collect();
                    let recorded = roots < MOST_ROOTS && links.iter().any(SpanContext::is_sampled);
                    roots += usize::from(recorded);
                    recorded.then(|| traceparent_of(&self.span(None, record, &links))).flatten()
                }
            };
            if let Some(value) = traceparent {
                out.record.headers.push(TRACEPARENT, &value);
            }
        }
    }

    /// That the record can't be folded.
    pub(crate) fn fail(&self, mut processing: Processing, error: &impl std::error::Error) {
        if let Some(span) = &mut processing.span {
            span.set_status(Status::error(error.to_string()));
        }
    }

    fn span(&self, parent: Option<&str>, record: &Record, links: &[SpanContext]) -> BoxedSpan {
        let id = record.header("ce_id").unwrap_or_default().to_owned();
        let attributes = vec![
            KeyValue::new("messaging.system", self.system),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.destination.name", self.topic),
            KeyValue::new("messaging.destination.partition.id", self.partition.to_string()),
            KeyValue::new("messaging.consumer.group.name", self.service),
            KeyValue::new("messaging.message.id", id),
            KeyValue::new("messaging.kafka.offset", i64::try_from(record.offset).unwrap_or(i64::MAX)),
        ];
        span_of(parent, format!("process {}", self.topic), SpanKind::Consumer, links, attributes)
    }
}
