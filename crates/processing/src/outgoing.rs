//! From an effect to a record: topic, partition, id.

use opentelemetry::trace::SpanContext;
use tiermesh_domain::{fold::Effect, time::format_instant};
use tiermesh_event_log::{
    NewRecord, Record,
    topics::{CHURN_SIGNALS, CONTROL, DEAD_LETTERS, SCORING_SUMMARIES, TIER_CHANGES},
};
use tiermesh_proto::v1::{Origin, control};

/// A record that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic.
    pub topic: &'static str,
    /// Its partition.
    pub partition: u32,
    /// Its number, per source partition and topic.
    pub sequence: u64,
    /// The record.
    pub record: NewRecord,
    /// What time alone leads to for a customer: the recorded traces of the facts it rests on, as far as known.
    pub rests_on: Option<Vec<SpanContext>>,
}

/// The topic that an effect of input partition `partition` goes to, and which of its partitions.
pub(crate) fn route(effect: &Effect, partition: u32) -> (&'static str, u32) {
    match effect {
        Effect::TierChanged(_) => (TIER_CHANGES.name, partition),
        Effect::SignalChanged(_) => (CHURN_SIGNALS.name, partition),
        Effect::Conflict(_) => (DEAD_LETTERS.name, partition),
        Effect::Summary(_) => (SCORING_SUMMARIES.name, 0),
        Effect::Control(_) => (CONTROL.name, 0),
    }
}

/// The customer that an effect is about, and the facts of theirs that it rests on.
pub(crate) fn rests_on(effect: &Effect) -> Option<(&str, &[String])> {
    match effect {
        Effect::TierChanged(change) => Some((&change.customer, &change.events)),
        Effect::SignalChanged(signal) => Some((&signal.customer, &signal.events)),
        _ => None,
    }
}

/// The id of a numbered effect: source partition, offset, sequence. With its source, unique for ever.
pub fn effect_id(origin: &Origin) -> String {
    format!("{}-{}-{}", origin.partition, origin.offset, origin.sequence)
}

/// The origin of a record that a service of ours numbered, read from its headers.
pub fn origin_of(record: &Record) -> Option<Origin> {
    let service = record.header("ce_source")?.strip_prefix(SOURCE)?.to_owned();
    let mut parts = record.header("ce_id")?.split('-');
    let origin = Origin {
        service,
        partition: parts.next()?.parse().ok()?,
        offset: parts.next()?.parse().ok()?,
        sequence: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(origin)
}

const SOURCE: &str = "tiermesh/";

/// What a service's outputs have as `ce_source`.
pub(crate) fn source_of(service: &str) -> String {
    format!("{SOURCE}{service}")
}

/// The record of an effect, of that source.
pub(crate) fn encode(mut effect: Effect, origin: Origin, source: &str) -> Outgoing {
    let (topic, partition) = route(&effect, origin.partition);
    let (sequence, input_partition, id) = (origin.sequence, origin.partition, effect_id(&origin));
    effect.set_origin(origin);
    let headers = |kind: &str, subject: &str, time: Option<i64>| {
        let time = time.map(format_instant);
        let fixed = [
            ("ce_specversion", "1.0"),
            ("ce_id", &id),
            ("ce_source", source),
            ("ce_type", kind),
            ("content-type", "application/protobuf"),
        ];
        let subject = Some(("ce_subject", subject)).filter(|(_, subject)| !subject.is_empty());
        let time = time.as_deref().map(|time| ("ce_time", time));
        fixed.into_iter().chain(subject).chain(time).collect()
    };
    let record = match &effect {
        Effect::TierChanged(change) => {
            let headers = headers("tiermesh.tier.changed", &change.customer, Some(change.at_ms));
            TIER_CHANGES.record(change.customer.clone(), change, headers)
        }
        Effect::SignalChanged(signal) => {
            let headers = headers("tiermesh.churn.signal", &signal.customer, Some(signal.at_ms));
            CHURN_SIGNALS.record(signal.customer.clone(), signal, headers)
        }
        Effect::Conflict(letter) => {
            let headers = headers("tiermesh.dead-letter", &letter.subject, Some(letter.received_ms));
            DEAD_LETTERS.record(letter.subject.clone(), letter, headers)
        }
        Effect::Summary(summary) => {
            let headers = headers("tiermesh.scoring.summary", "", Some(summary.boundary_ms));
            SCORING_SUMMARIES.record(input_partition.to_string(), summary, headers)
        }
        Effect::Control(control) => {
            let (key, kind) = match &control.control {
                Some(control::Control::SourceQuiet(_)) => ("sources", "tiermesh.source.quiet"),
                Some(control::Control::SourceBack(_)) => ("sources", "tiermesh.source.back"),
                _ => ("cut-points", "tiermesh.cut-points"),
            };
            CONTROL.record(key, control, headers(kind, "", None))
        }
    };
    Outgoing { topic, partition, sequence, record, rests_on: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(source: &str, id: &str) -> Record {
        let headers = [("ce_source", source), ("ce_id", id)].into_iter().collect();
        Record { offset: 1, key: "".into(), value: "".into(), headers }
    }

    #[test]
    fn an_origin_is_read_back_from_its_headers() {
        let origin = Origin { service: "scoring".to_owned(), partition: 3, offset: 70, sequence: 12 };
        let id = effect_id(&origin);
        assert_eq!(id, "3-70-12");
        assert_eq!(origin_of(&record("tiermesh/scoring", &id)), Some(origin));
    }

    #[test]
    fn what_nobody_of_ours_numbered_has_no_origin() {
        for (source, id) in [
            ("erp", "3-70-12"),
            ("tiermesh/scoring", "3-70"),
            ("tiermesh/scoring", "3-70-12-1"),
            ("tiermesh/scoring", "o-536365"),
        ] {
            assert_eq!(origin_of(&record(source, id)), None, "{source} {id}");
        }
    }
}
