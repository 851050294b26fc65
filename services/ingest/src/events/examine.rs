//! Examining one event: a fact, or what is wrong with it.

use bytes::Bytes;
use serde_json::Value;
use tiermesh_domain::{
    fact::{Parsed, Refusal, parse_cloud_event_value, parse_json},
    time::DAY_MS,
};

use super::{binary, lines::Line};
use crate::{
    appending::{BadEvent, Found},
    clock::Clock,
    keys::Caller,
    settings::LARGEST_EVENT,
};

/// An event as it came.
pub(crate) struct Original {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: &'static str,
    /// `ce-` headers, in binary mode.
    pub(crate) headers: Vec<(String, String)>,
}

impl Original {
    /// An event in the structured mode.
    pub(crate) fn structured(bytes: Bytes) -> Self {
        Self { bytes, content_type: "application/cloudevents+json", headers: Vec::new() }
    }
}

/// Checks events by the contract and against the clock.
#[derive(Debug, Clone)]
pub(crate) struct Examiner {
    clock: Clock,
}

impl Examiner {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// The fact that the event is.
    pub(crate) fn examine(&self, original: Original) -> Result<Parsed, Box<BadEvent>> {
        self.examine_as(&Caller::Anyone, original)
    }

    /// The fact that the event is, if this caller may publish it.
    pub(crate) fn examine_as(&self, caller: &Caller, original: Original) -> Result<Parsed, Box<BadEvent>> {
        let value = if original.headers.is_empty() {
            parse_json(&original.bytes)
        } else {
            binary::structured(&original.headers, &original.bytes)
        };
        let parsed = match &value {
            Ok(value) => self.check(caller, value),
            Err(refusal) => Err(refusal.clone()),
        };
        parsed.map_err(|refusal| {
            let header = |name: &str| {
                let found = original.headers.iter().find(|(header, _)| header.strip_prefix("ce-") == Some(name));
                found.map(|(_, value)| value.clone())
            };
            let field = |name: &str| match &value {
                Ok(value) => value.get(name).and_then(Value::as_str).map(|text| short(text).to_owned()),
                Err(_) => header(name),
            };
            Box::new(BadEvent {
                refusal,
                source: field("source").unwrap_or_default(),
                id: field("id").unwrap_or_default(),
                subject: field("subject").unwrap_or_default(),
                original: original.bytes,
                content_type: original.content_type.to_owned(),
                headers: original.headers,
                found: Found::Request,
            })
        })
    }

    /// The fact that a line of a stream is.
    pub(crate) fn examine_line(&self, line: &Line) -> Result<Parsed, Box<BadEvent>> {
        self.examine_line_as(&Caller::Anyone, line)
    }

    /// The fact that a line of a stream is, if this caller may publish it.
    pub(crate) fn examine_line_as(&self, caller: &Caller, line: &Line) -> Result<Parsed, Box<BadEvent>> {
        let original = Original::structured(line.bytes.clone());
        if line.cut {
            let reason = format!("the line is longer than {LARGEST_EVENT} bytes, the limit for one event");
            return Err(self.refuse(original.bytes, original.content_type, Refusal::new("", reason)));
        }
        self.examine_as(caller, original)
    }

    /// Bytes of which nothing is known.
    pub(crate) fn refuse(&self, original: Bytes, content_type: &str, refusal: Refusal) -> Box<BadEvent> {
        Box::new(BadEvent {
            refusal,
            original,
            content_type: content_type.to_owned(),
            headers: Vec::new(),
            source: String::new(),
            id: String::new(),
            subject: String::new(),
            found: Found::Request,
        })
    }

    fn check(&self, caller: &Caller, value: &Value) -> Result<Parsed, Refusal> {
        let source = value.get("source").and_then(Value::as_str);
        if let Some(refusal) = source.and_then(|source| caller.refusal_of(source)) {
            return Err(refusal);
        }
        let parsed = parse_cloud_event_value(value)?;
        if parsed.fact.time_ms > self.clock.now_ms().saturating_add(DAY_MS) {
            return Err(Refusal::new("time", "is more than a day ahead of the receiver's clock"));
        }
        Ok(parsed)
    }
}

/// What a bad event says about itself may be anything: no longer than what a good one may say.
fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(256)).unwrap_or_default()
}
