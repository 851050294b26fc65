//! Trace context as records and requests carry it: W3C `traceparent`, and spans that go on from one.

use std::borrow::Cow;

use opentelemetry::{
    Context, KeyValue,
    global::{self, BoxedSpan, BoxedTracer},
    trace::{Link, Span, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer},
};

/// The header of records and requests that carries the trace.
pub const TRACEPARENT: &str = "traceparent";

/// How long version 00 is.
const LENGTH: usize = 55;

/// The tracer of everything that is ours.
pub fn tracer() -> BoxedTracer {
    global::tracer("tiermesh")
}

/// What a `traceparent` says; `None` if it isn't one.
pub fn parse(traceparent: &str) -> Option<SpanContext> {
    let fixed = traceparent.get(..LENGTH)?;
    let mut parts = fixed.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    // A later version may say more behind another dash.
    let length_fits = traceparent.len() == LENGTH || (version != "00" && traceparent.as_bytes()[LENGTH] == b'-');
    if !whole || !length_fits || version == "ff" {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & TraceFlags::SAMPLED.to_u8());
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// The `traceparent` that says it.
pub fn format(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// What to send along with whatever the span leads to; `None` if it belongs to no trace.
pub fn traceparent_of(span: &impl Span) -> Option<String> {
    Some(span.span_context()).filter(|context| context.is_valid()).map(format)
}

/// Whether a `traceparent` belongs to a trace that is recorded. Allocates nothing.
pub fn is_sampled(traceparent: &str) -> bool {
    parse(traceparent).is_some_and(|context| context.is_sampled())
}

/// Starts a span: a child of `parent`, or the root of a new trace if there is none or it can't be read.
///
/// A child is recorded if its parent is, a root if anything that it links to is, or by chance. While traces aren't
/// exported it carries its parent's context on.
pub fn span_of(
    parent: Option<&str>,
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    links: &[SpanContext],
    attributes: Vec<KeyValue>,
) -> BoxedSpan {
    let context = match parent.and_then(parse) {
        Some(parent) => Context::new().with_remote_span_context(parent),
        None => Context::new(),
    };
    let links = links.iter().map(|context| Link::with_context(context.clone())).collect();
    let tracer = tracer();
    let span = tracer.span_builder(name).with_kind(kind).with_links(links).with_attributes(attributes);
    tracer.build_with_context(span, &context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_was_read_is_written_again() {
        let context = parse(TRACEPARENT).unwrap();
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(format(&context), TRACEPARENT);
        // Of the flags only one is known; a later version may say more.
        assert_eq!(format(&parse(&TRACEPARENT.replace("-01", "-03")).unwrap()), TRACEPARENT);
        assert_eq!(
            format(&parse(&TRACEPARENT.replace("00-0a", "7c-0a").replace("-01", "-01-x")).unwrap()),
            TRACEPARENT
        );
    }

    #[test]
    fn sampled_or_not_is_its_last_digit() {
        assert!(is_sampled(TRACEPARENT));
        assert!(!is_sampled(&TRACEPARENT.replace("-01", "-02")));
        assert!(!is_sampled(""));
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for wrong in [
            "",
            "00",
            &TRACEPARENT[1..],
            &TRACEPARENT.replace("-01", ""),
            &TRACEPARENT.replace("-01", "-0g"),
            &TRACEPARENT.replace("-01", "-01-x"),
            &TRACEPARENT.replace("00-0a", "7c-0a").replace("-01", "-01x"),
            &TRACEPARENT.replace("00-0a", "ff-0a"),
            &TRACEPARENT.replace("0af7", "0AF7"),
            &TRACEPARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &TRACEPARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
            &TRACEPARENT.replace('-', "é"),
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_an_exporter_the_parents_context_goes_on() {
        let span = span_of(Some(TRACEPARENT), "deliver", SpanKind::Client, &[], Vec::new());
        assert!(!span.is_recording());
        assert_eq!(traceparent_of(&span).as_deref(), Some(TRACEPARENT));
        let root = span_of(None, "deliver", SpanKind::Client, &[], Vec::new());
        assert_eq!(traceparent_of(&root), None);
    }
}
