//! Which spans are recorded: a child if its parent is, a root if something it links to is, else by chance.
//!
//! Every service goes by the flag that came with the record alone, so a trace is recorded whole or not at all.

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

/// Decides by parent, by links, by chance, in this order.
#[derive(Debug, Clone)]
pub struct Sampling {
    chance: Sampler,
}

impl Sampling {
    /// Of roots without links this share is recorded.
    pub fn of(ratio: f64) -> Self {
        Self { chance: Sampler::TraceIdRatioBased(ratio) }
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent = parent.map(|parent| parent.span().span_context().clone()).filter(|parent| parent.is_valid());
        let recorded = match parent {
            Some(parent) => parent.is_sampled(),
            None if links.iter().any(|link| link.span_context.is_sampled()) => true,
            None => return self.chance.should_sample(None, trace_id, name, kind, attributes, links),
        };
        let decision = if recorded { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::NONE }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags};

    use super::*;

    fn context(flags: TraceFlags) -> SpanContext {
        SpanContext::new(TraceId::from(1), SpanId::from(2), flags, true, TraceState::NONE)
    }

    fn is_recorded(ratio: f64, parent: Option<SpanContext>, links: &[SpanContext]) -> bool {
        let parent = parent.map(|parent| Context::new().with_remote_span_context(parent));
        let links: Vec<Link> = links.iter().cloned().map(Link::with_context).collect();
        let sampling = Sampling::of(ratio);
        let result = sampling.should_sample(parent.as_ref(), TraceId::from(7), "x", &SpanKind::Internal, &[], &links);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn the_parent_decides_then_the_links_then_chance() {
        let (yes, no) = (context(TraceFlags::SAMPLED), context(TraceFlags::default()));
        assert!(is_recorded(0.0, Some(yes.clone()), &[]));
        assert!(!is_recorded(1.0, Some(no.clone()), std::slice::from_ref(&yes)));
        assert!(is_recorded(0.0, None, &[no.clone(), yes.clone()]));
        assert!(!is_recorded(0.0, None, std::slice::from_ref(&no)));
        assert!(is_recorded(1.0, None, &[no]));
        assert!(is_recorded(0.0, Some(SpanContext::NONE), &[yes]));
    }
}
