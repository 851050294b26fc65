//! `POST /v1/dead-letters/{id}/resolve` and `/dismiss`: a corrected event in place of a dead letter, or none.
//!
//! The event goes the way of all events; then, beside the letter, a record says what became of it. A crash in between
//! leaves the letter open, and the event is known when it is sent again.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tiermesh_domain::fact::Refusal;
use tiermesh_event_log::topics::DEAD_LETTERS;
use tiermesh_proto::v1::{DeadLetter, Resolution};
use tokio::time::{Instant, timeout_at};

use crate::{
    answer::Denial,
    events::{Original, Status, read_body, traceparent},
    service::Service,
    settings::LARGEST_EVENT,
};

/// Takes the corrected event in, and notes that the letter is dealt with.
pub(crate) async fn resolve(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Denial> {
    let deadline = Instant::now() + service.intake.settings.ack_limit;
    let (partition, offset) = place_of(&id)?;
    let letter = letter(&service, &id, partition, offset, deadline).await?;
    let event = Original::structured(read_body(body, LARGEST_EVENT, "one event").await?);
    let parsed = service.examiner.examine(event).map_err(|bad| Denial::Event(bad.refusal))?;
    let fact = &parsed.fact;
    let is_conflict = letter.content_type.starts_with("application/protobuf");
    if is_conflict && (&fact.source, &fact.id, &fact.subject) == (&letter.source, &letter.id, &letter.subject) {
        let reason = format!("{:?} is the id of another event; give the corrected one an id of its own", fact.id);
        return Err(Denial::Event(Refusal::new("id", reason)));
    }
    let (source, event, subject) = (fact.source.clone(), fact.id.clone(), fact.subject.clone());
    let resolution = Resolution { offset, source, id: event, subject, reason: String::new() };
    let lane = service.intake.lane(traceparent(&headers)).await?;
    let flight = service.intake.take(&lane, vec![Ok(parsed)]).await?;
    let outcomes = service.intake.settle(&lane, flight).await?;
    service.intake.dead_letters.note(partition, letter, resolution, deadline).await?;
    let became = match outcomes.first().map(|outcome| &outcome.status) {
        Some(Status::Duplicate) => "duplicate",
        _ => "accepted",
    };
    Ok(Json(json!({"resolved": id, "event": became})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dismissal {
    reason: String,
}

/// Notes that nothing is to come of the letter.
pub(crate) async fn dismiss(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<Value>, Denial> {
    let deadline = Instant::now() + service.intake.settings.ack_limit;
    let (partition, offset) = place_of(&id)?;
    let body = read_body(body, LARGEST_EVENT, "a dismissal").await?;
    let dismissal: Dismissal = serde_json::from_slice(&body)
        .map_err(|error| Denial::BadRequest(format!("{error}; expected {{\"reason\": \"why\"}}")))?;
    if dismissal.reason.trim().is_empty() {
        return Err(Denial::BadRequest("reason: is empty; say why nothing is to come of the letter".to_owned()));
    }
    let letter = letter(&service, &id, partition, offset, deadline).await?;
    let resolution = Resolution { offset, reason: dismissal.reason, ..Resolution::default() };
    service.intake.dead_letters.note(partition, letter, resolution, deadline).await?;
    Ok(Json(json!({"dismissed": id})))
}

/// Partition and offset of an id.
fn place_of(id: &str) -> Result<(u32, u64), Denial> {
    let place =
        id.split_once('-').and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
    place.ok_or_else(|| {
        Denial::BadRequest(format!(
            "{id:?} is not the id of a dead letter, such as 3-17: `tiermesh dead-letters list` shows them"
        ))
    })
}

/// The letter that stands there.
async fn letter(
    service: &Service,
    id: &str,
    partition: u32,
    offset: u64,
    deadline: Instant,
) -> Result<DeadLetter, Denial> {
    let missing = || Denial::NoSuchLetter(id.to_owned());
    if partition >= service.intake.partitions {
        return Err(missing());
    }
    let reading = async {
        let extent = service.log.extent(DEAD_LETTERS.name, partition).await?;
        if !(extent.start.max(1)..extent.end).contains(&offset) {
            return Err(missing());
        }
        let mut reader = service.log.read(DEAD_LETTERS.name, partition, offset).await?;
        let records = reader.next(1).await?;
        let record = records.first().filter(|record| record.offset == offset).ok_or_else(missing)?;
        let letter = DEAD_LETTERS.decode(record)?;
        if letter.resolution.is_some() { Err(missing()) } else { Ok(letter) }
    };
    let late = |_| Denial::LogUnavailable("the dead letter could not be read in time".to_owned());
    timeout_at(deadline, reading).await.map_err(late)?
}
