//! Records as ingest writes them: CloudEvents in binary mode around a protobuf message.

use tiermesh_domain::{fact::type_name, time::format_instant};
use tiermesh_event_log::{
    Headers, NewRecord,
    topics::{CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS},
};
use tiermesh_proto::v1::{Control, ControlCopy, CustomerEvent, DeadLetter, Fact, Tick, customer_event::Event};

/// The source of what ingest itself says.
const SOURCE: &str = "tiermesh/ingest";

fn headers(kind: &str, source: &str, id: &str, rest: &[(&str, &str)]) -> Headers {
    let fixed = [("ce_specversion", "1.0"), ("ce_id", id), ("ce_source", source), ("ce_type", kind)];
    let content_type = ("content-type", "application/protobuf");
    fixed.into_iter().chain(rest.iter().copied()).chain([content_type]).collect()
}

/// A fact, keyed by its customer, as it stands in `customer.events`.
pub fn fact_record(fact: Fact) -> NewRecord {
    let kind = fact.data.as_ref().map(type_name).unwrap_or_default();
    let time = format_instant(fact.time_ms);
    let headers = headers(&kind, &fact.source, &fact.id, &[("ce_subject", &fact.subject), ("ce_time", &time)]);
    let key = fact.subject.clone();
    CUSTOMER_EVENTS.record(key, &CustomerEvent { event: Some(Event::Fact(fact)) }, headers)
}

/// That time has passed, for each partition of `customer.events`.
pub fn tick_record(time_ms: i64) -> NewRecord {
    let time = format_instant(time_ms);
    let headers = headers("tiermesh.tick", SOURCE, &format!("tick-{time_ms}"), &[("ce_time", &time)]);
    CUSTOMER_EVENTS.record("", &CustomerEvent { event: Some(Event::Tick(Tick { time_ms })) }, headers)
}

/// What stands in `control` at that offset, for one partition of `customer.events`.
pub fn control_copy(number: u64, control: Control) -> NewRecord {
    let headers = headers("tiermesh.control", SOURCE, &format!("control-{number}"), &[]);
    let copy = ControlCopy { number, control: Some(control) };
    CUSTOMER_EVENTS.record("", &CustomerEvent { event: Some(Event::Control(copy)) }, headers)
}

/// A control record, keyed by the policy it is about.
pub(crate) fn control_record(key: &str, control: &Control) -> NewRecord {
    let id = uuid::Uuid::new_v4().to_string();
    CONTROL.record(key.to_owned(), control, headers("tiermesh.control", SOURCE, &id, &[]))
}

/// A refused event, or what became of one.
pub(crate) fn dead_letter_record(id: &str, letter: &DeadLetter, request: &[(String, String)]) -> NewRecord {
    let kind = match letter.resolution {
        None => "tiermesh.event.refused",
        Some(_) => "tiermesh.dead-letter.resolved",
    };
    let time = format_instant(letter.received_ms);
    let mut headers = headers(kind, SOURCE, id, &[("ce_subject", &letter.subject), ("ce_time", &time)]);
    request.iter().for_each(|(name, value)| headers.push(&format!("original-{name}"), value));
    DEAD_LETTERS.record(letter.subject.clone(), letter, headers)
}
