//! Examining one event: a fact, or what is wrong with it.

use bytes::Bytes;
use tiermesh_domain::{
    fact::{Json, Parsed, Refusal, read_cloud_event},
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

    /// What a `ce-` header says.
    fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.strip_prefix("ce-") == Some(name));
        found.map(|(_, value)| value.as_str())
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
            Json::read(&original.bytes)
        } else {
            binary::structured(&original.headers, &original.bytes)
        };
        let parsed = match &value {
            Ok(value) => self.check(caller, value),
            Err(refusal) => Err(refusal.clone()),
        };
        let refusal = match parsed {
            Ok(parsed) => return Ok(parsed),
            Err(refusal) => refusal,
        };
        let said = |name: &str| match &value {
            Ok(value) => value.get(name).and_then(Json::as_text).map(short),
            Err(_) => original.attribute(name),
        };
        let [source, id, subject] = ["source", "id", "subject"].map(|name| said(name).unwrap_or_default().to_owned());
        let Original { bytes, content_type, headers } = original;
        Err(Box::new(BadEvent { source, id, subject, headers, ..*self.refuse(bytes, content_type, refusal) }))
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

    fn check(&self, caller: &Caller, event: &Json<'_>) -> Result<Parsed, Refusal> {
        let source = event.get("source").and_then(Json::as_text);
        if let Some(refusal) = source.and_then(|source| caller.refusal_of(source)) {
            return Err(refusal);
        }
        let parsed = read_cloud_event(event)?;
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
