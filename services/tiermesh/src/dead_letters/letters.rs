//! Dead letters as they stand in the log, each once: a crash may have written one twice, and so may whoever sent the
//! same file again.

use std::collections::HashMap;

use prost::Message;
use serde_json::{Map, Value, json};
use tiermesh_domain::{fact::parse_json, time::format_instant};
use tiermesh_event_log::{EventLog, LogError, Record, topics::DEAD_LETTERS};
use tiermesh_processing::letter_identity;
use tiermesh_proto::v1::{DeadLetter, Fact, Resolution};

use crate::{reading::each_record, tail::described};

/// A dead letter, and what became of it.
pub(super) struct Letter {
    /// Partition and offset: `3-17`.
    pub(super) id: String,
    /// Where the same was written again.
    pub(super) also: Vec<String>,
    pub(super) letter: DeadLetter,
    /// `ce-` headers of an event in the binary mode.
    headers: Vec<(String, String)>,
    pub(super) resolution: Option<Resolution>,
}

/// Every dead letter in the log, by when it came.
pub(super) async fn read(log: &dyn EventLog) -> Result<Vec<Letter>, LogError> {
    let mut letters: Vec<Letter> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for partition in 0..log.partitions(DEAD_LETTERS.name).await? {
        let mut by_offset: HashMap<u64, usize> = HashMap::new();
        each_record(log, DEAD_LETTERS.name, partition, |record| {
            let letter = DEAD_LETTERS.decode(&record)?;
            if let Some(resolution) = letter.resolution {
                if let Some(resolved) = by_offset.get(&resolution.offset).and_then(|at| letters.get_mut(*at)) {
                    resolved.resolution = Some(resolution);
                }
                return Ok(());
            }
            let (id, headers) = (format!("{partition}-{}", record.offset), headers(&record));
            let at = *known.entry(letter_identity(&record, &letter)).or_insert(letters.len());
            by_offset.insert(record.offset, at);
            match letters.get_mut(at) {
                Some(first) => first.also.push(id),
                None => letters.push(Letter { id, also: Vec::new(), letter, headers, resolution: None }),
            }
            Ok(())
        })
        .await?;
    }
    letters.sort_by_key(|letter| letter.letter.received_ms);
    Ok(letters)
}

fn headers(record: &Record) -> Vec<(String, String)> {
    let kept = record.headers.iter();
    kept.filter_map(|(name, value)| Some((name.strip_prefix("original-")?.to_owned(), value.to_owned()))).collect()
}

/// In one word, what became of a letter, and how.
pub(crate) fn became(resolution: &Resolution) -> (&'static str, Value) {
    match resolution.id.is_empty() {
        true => ("dismissed", json!({"reason": resolution.reason})),
        false => ("resolved", json!({"source": resolution.source, "id": resolution.id, "subject": resolution.subject})),
    }
}

impl Letter {
    /// Whether something is still to be done about it.
    pub(super) fn is_open(&self) -> bool {
        self.resolution.is_none()
    }

    /// Another event of the same name came first: this one has to become another.
    pub(super) fn is_conflict(&self) -> bool {
        self.letter.content_type.starts_with("application/protobuf")
    }

    /// Where it came from.
    pub(super) fn from(&self) -> String {
        match (&self.letter.inbound, &self.letter.file) {
            (Some(place), _) => format!("{}/{}/{}", place.topic, place.partition, place.offset),
            (None, Some(file)) => format!("{}:{}", file.name, file.line),
            (None, None) if self.is_conflict() => "conflict".to_owned(),
            (None, None) => "request".to_owned(),
        }
    }

    /// The event as it came, if it was one as far as that can be told.
    pub(super) fn event(&self) -> Option<Value> {
        if self.letter.file.is_some() || self.is_conflict() {
            return None;
        }
        let body = parse_json(&self.letter.original);
        if self.headers.is_empty() {
            return body.ok().filter(Value::is_object);
        }
        let attributes = self.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix("ce-")?, value)));
        let mut event: Map<String, Value> =
            attributes.map(|(name, value)| (name.to_owned(), value.as_str().into())).collect();
        event.insert("data".to_owned(), body.unwrap_or_else(|_| self.text().into()));
        Some(Value::Object(event))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.letter.original).into_owned()
    }

    /// The original, as readable as it can be made.
    fn original(&self) -> Value {
        let fact = self.is_conflict().then(|| Fact::decode(&self.letter.original[..]).ok()).flatten();
        if let Some(fact) = fact {
            let (kind, data) = described(&fact);
            return json!({
                "id": fact.id, "source": fact.source, "type": kind, "subject": fact.subject,
                "time": format_instant(fact.time_ms), "data": data,
            });
        }
        let parsed = || serde_json::from_slice(&self.letter.original).ok();
        self.event().or_else(parsed).unwrap_or_else(|| self.text().into())
    }

    /// In short.
    pub(super) fn line(&self) -> Value {
        let DeadLetter { reason, field, received_ms, source, id, subject, .. } = &self.letter;
        let mut line = json!({
            "id": self.id, "state": self.state(), "received": format_instant(*received_ms), "from": self.from(),
            "source": source, "event": id, "subject": subject, "field": field, "reason": reason,
            "times": self.also.len() + 1,
        });
        if let Some(resolution) = &self.resolution {
            line["became"] = became(resolution).1;
        }
        line
    }

    /// In full.
    pub(super) fn shown(&self) -> Value {
        let mut shown = self.line();
        shown["content_type"] = self.letter.content_type.as_str().into();
        shown["also"] = json!(self.also);
        if !self.letter.headers.is_empty() {
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let headers = self.letter.headers.iter();
            shown["headers"] = headers.map(|header| json!([header.name, text(&header.value)])).collect();
        }
        shown["original"] = self.original();
        shown
    }

    pub(super) fn state(&self) -> &'static str {
        self.resolution.as_ref().map_or("open", |resolution| became(resolution).0)
    }
}
