//! From a record to an event, or to what is wrong with it: CloudEvents' binding for Kafka, structured and binary.

use bytes::Bytes;
use serde::Deserialize;
use tiermesh_domain::fact::{Parsed, Refusal};
use tiermesh_event_log::kafka::inbound::InboundRecord;
use tiermesh_proto::v1::{InboundHeader, InboundPlace};

use crate::{
    appending::{BadEvent, Found},
    events::{Examiner, Original},
    keys::covers,
    settings::LARGEST_EVENT,
};

/// How a topic's events stand in its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// Each record says by its headers.
    #[default]
    Auto,
    /// The value is the whole event.
    Structured,
    /// Attributes are `ce_` headers, the value is the data.
    Binary,
}

/// What is asked of a topic's records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct TopicRules {
    pub(super) mode: Mode,
    /// Sources that may come by it, as patterns; any if there are none.
    pub(super) sources: Vec<String>,
}

/// The fact that a record brings.
pub(super) fn examine(
    examiner: &Examiner,
    rules: &TopicRules,
    (topic, partition): (&str, u32),
    record: &InboundRecord,
) -> Result<Parsed, Box<BadEvent>> {
    let value = record.value.clone().unwrap_or_default();
    let examined = match original(rules.mode, record) {
        Ok(original) => examiner.examine(original),
        Err(refusal) => Err(examiner.refuse(value.clone(), "application/octet-stream", refusal)),
    };
    let examined = examined.and_then(|parsed| match sources_refusal(rules, topic, &parsed.fact.source) {
        None => Ok(parsed),
        Some(refusal) => {
            let fact = parsed.fact;
            let bad = examiner.refuse(value, "application/cloudevents+json", refusal);
            Err(Box::new(BadEvent { source: fact.source, id: fact.id, subject: fact.subject, ..*bad }))
        }
    });
    examined.map_err(|bad| {
        let place = InboundPlace { topic: topic.to_owned(), partition, offset: record.offset };
        let header =
            |(name, value): &(String, Bytes)| InboundHeader { name: name.clone(), value: value.clone().into() };
        Box::new(BadEvent { found: Found::Inbound(place, record.headers.iter().map(header).collect()), ..*bad })
    })
}

/// The trace that a record brings along.
pub(super) fn traceparent(record: &InboundRecord) -> Option<&str> {
    let value = std::str::from_utf8(record.header("traceparent")?).ok()?;
    (value.len() <= 128).then_some(value)
}

fn sources_refusal(rules: &TopicRules, topic: &str, source: &str) -> Option<Refusal> {
    let allowed = rules.sources.is_empty() || covers(&rules.sources, source);
    (!allowed).then(|| {
        let sources = rules.sources.join(", ");
        let reason = format!(
            "the inbound topic `{topic}` may bring events of {sources}, not of {source:?}; `sources` in the inbound \
             file says so"
        );
        Refusal::new("source", reason)
    })
}

fn original(mode: Mode, record: &InboundRecord) -> Result<Original, Refusal> {
    let refuse = |field: &str, reason: String| Err(Refusal::new(field, reason));
    let value = match &record.value {
        None => {
            let reason = "the record has no value; a tombstone erases nothing here: send an event";
            return refuse("", reason.to_owned());
        }
        Some(value) if value.is_empty() => return refuse("", "the record's value is empty".to_owned()),
        Some(value) => value.clone(),
    };
    if value.len() > LARGEST_EVENT {
        let reason = format!("the value has {} bytes; the limit for one event is {LARGEST_EVENT}", value.len());
        return refuse("", reason);
    }
    let content_type = match record.header("content-type").map(std::str::from_utf8) {
        None => "",
        Some(Ok(content_type)) => content_type,
        Some(Err(_)) => return refuse("content-type", "the header is not UTF-8".to_owned()),
    };
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_structured = media_type.starts_with("application/cloudevents");
    let is_binary = match mode {
        Mode::Structured => false,
        Mode::Binary => true,
        Mode::Auto => !is_structured && record.header("ce_specversion").is_some(),
    };
    let taken = match is_binary {
        true => ["", "application/json", "text/json"],
        false => ["", "application/json", "application/cloudevents+json"],
    };
    if !taken.contains(&media_type.as_str()) {
        let reason = format!("{content_type:?} is not taken; write {}", taken[1..].join(" or "));
        return refuse("content-type", reason);
    }
    if !is_binary {
        return Ok(Original::structured(value));
    }
    let headers = attributes(record)?;
    if headers.is_empty() {
        let reason = "the header is missing: the topic's mode is binary, so attributes are `ce_` headers";
        return refuse("ce_specversion", reason.to_owned());
    }
    Ok(Original { bytes: value, content_type: "application/json", headers })
}

/// The attributes, named as HTTP has them.
fn attributes(record: &InboundRecord) -> Result<Vec<(String, String)>, Refusal> {
    let ours = record.headers.iter().filter_map(|(name, value)| Some((name, name.strip_prefix("ce_")?, value)));
    ours.map(|(header, attribute, value)| match std::str::from_utf8(value) {
        Ok(value) => Ok((format!("ce-{attribute}"), value.to_owned())),
        Err(_) => Err(Refusal::new(header, "the header is not UTF-8")),
    })
    .collect()
}
