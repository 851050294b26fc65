//! `POST /v1/events`: one event, a batch, or a stream of lines.

use std::{collections::VecDeque, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json, value::RawValue};
use tiermesh_domain::fact::Refusal;

use super::{
    binary,
    body::{discard, read_body},
    examine::Original,
    intake::{InFlight, Outcome, Status},
    lines::Lines,
};
use crate::{
    answer::Denial,
    appending::BadEvent,
    keys::{Caller, Scope},
    limits::Held,
    service::Service,
    settings::{LARGEST_BATCH, LARGEST_BODY, LARGEST_EVENT, MOST_RESULTS},
};

/// Events taken out of a stream at once.
const CHUNK: usize = 2_000;
/// Chunks of one stream that may be on their way at once.
const CHUNKS_IN_FLIGHT: usize = 3;

/// How events come, by content type.
enum Mode {
    Single,
    Batch,
    /// One or many, by what the body begins with.
    Either,
    Lines,
    Binary,
}

fn mode(headers: &HeaderMap) -> Result<Mode, Denial> {
    let content_type = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let content_type = content_type.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/cloudevents+json" => Ok(Mode::Single),
        "application/cloudevents-batch+json" => Ok(Mode::Batch),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Mode::Lines),
        "application/json" | "" if headers.contains_key("ce-specversion") => Ok(Mode::Binary),
        "application/json" => Ok(Mode::Either),
        _ => Err(Denial::ContentType(content_type)),
    }
}

/// The request's trace, to be carried on.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    (value.len() <= 128).then(|| value.to_owned())
}

/// Takes events in and tells what became of them.
pub(crate) async fn post_events(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Denial> {
    let (caller, mode, _room) = match admit(&service, &headers).await {
        Ok(admitted) => admitted,
        Err(denial) => {
            discard(body.into_data_stream()).await;
            return Err(denial);
        }
    };
    let traceparent = traceparent(&headers);
    if let Mode::Lines = mode {
        let mut lines = Lines::of(body);
        let answer = stream(&service, &caller, traceparent, &mut lines).await;
        if answer.is_err() {
            lines.discard().await;
        }
        return answer;
    }
    let bytes = read_body(body, LARGEST_BODY, "single events and batches").await?;
    match mode {
        Mode::Binary => {
            let headers = binary::attributes(&headers);
            single(&service, &caller, traceparent, Original { bytes, content_type: "application/json", headers }).await
        }
        Mode::Batch => batch(&service, &caller, traceparent, bytes).await,
        Mode::Either if bytes.trim_ascii_start().starts_with(b"[") => {
            batch(&service, &caller, traceparent, bytes).await
        }
        _ => single(&service, &caller, traceparent, Original::structured(bytes)).await,
    }
}

/// Who it is, how events come, and the room for them: all that can be told before the body is read.
async fn admit(service: &Service, headers: &HeaderMap) -> Result<(Caller, Mode, [Held; 2]), Denial> {
    let caller = service.access.caller(headers).await?;
    caller.may(Scope::Events)?;
    let mode = mode(headers)?;
    let request = service.admission.request().await?;
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let bytes = match mode {
        // A stream asks chunk by chunk.
        Mode::Lines => 0,
        _ => length.unwrap_or(LARGEST_BODY).min(LARGEST_BODY),
    };
    Ok((caller, mode, [request, service.admission.bytes(bytes).await?]))
}

async fn single(
    service: &Service,
    caller: &Caller,
    traceparent: Option<String>,
    event: Original,
) -> Result<Response, Denial> {
    if event.bytes.len() > LARGEST_EVENT {
        return Err(Denial::TooLarge(format!(
            "the event is larger than {LARGEST_EVENT} bytes, the limit for one event"
        )));
    }
    let lane = service.intake.lane(traceparent).await?;
    let examined = vec![service.examiner.examine_as(caller, event)];
    service.rates.take(caller, &examined, &service.intake.metrics)?;
    let forbidden = |bad: &BadEvent| caller.refusal_of(&bad.source).as_ref() == Some(&bad.refusal);
    let forbidden = examined.iter().any(|event| event.as_ref().is_err_and(|bad| forbidden(bad)));
    let flight = service.intake.take(&lane, examined).await?;
    let mut report = Report::new(MOST_RESULTS);
    for outcome in service.intake.settle(&lane, flight).await? {
        if let Status::Refused(refusal) = outcome.status {
            return Err(if forbidden { Denial::ForbiddenSource(refusal) } else { Denial::Event(refusal) });
        }
        report.count(&outcome);
        report.ignored = outcome.ignored;
    }
    Ok((StatusCode::ACCEPTED, Json(report.single())).into_response())
}

async fn batch(
    service: &Service,
    caller: &Caller,
    traceparent: Option<String>,
    body: Bytes,
) -> Result<Response, Denial> {
    let lane = service.intake.lane(traceparent).await?;
    let events: Vec<&RawValue> = match serde_json::from_slice(&body) {
        Ok(events) => events,
        Err(error) => {
            // The whole is one bad event: nothing in it can be told apart.
            let refusal = Refusal::new("", format!("the batch is not a JSON array: {error}"));
            let bad = vec![Err(service.examiner.refuse(body, "application/cloudevents-batch+json", refusal.clone()))];
            service.rates.take(caller, &bad, &service.intake.metrics)?;
            let flight = service.intake.take(&lane, bad).await?;
            service.intake.settle(&lane, flight).await?;
            return Err(Denial::Event(refusal));
        }
    };
    if events.len() > LARGEST_BATCH {
        let reason = format!("the batch has {} events; the limit is {LARGEST_BATCH}", events.len());
        return Err(Denial::TooLarge(reason));
    }
    if let Some(at) = events.iter().position(|event| event.get().len() > LARGEST_EVENT) {
        let reason =
            format!("event {at} of the batch (from 0) is larger than {LARGEST_EVENT} bytes, the limit for one event");
        return Err(Denial::TooLarge(reason));
    }
    let examine = |event: &&RawValue| {
        let bytes = body.slice_ref(event.get().as_bytes());
        service.examiner.examine_as(caller, Original::structured(bytes))
    };
    let examined: Vec<_> = events.iter().map(examine).collect();
    service.rates.take(caller, &examined, &service.intake.metrics)?;
    let flight = service.intake.take(&lane, examined).await?;
    let mut report = Report::new(LARGEST_BATCH);
    for outcome in service.intake.settle(&lane, flight).await? {
        report.add(&outcome, None);
    }
    Ok(Json(report.listing()).into_response())
}

async fn stream(
    service: &Service,
    caller: &Caller,
    traceparent: Option<String>,
    lines: &mut Lines,
) -> Result<Response, Denial> {
    let lane = service.intake.lane(traceparent).await?;
    let mut report = Report::new(MOST_RESULTS);
    let mut flying: VecDeque<(Vec<u64>, Held, InFlight)> = VecDeque::new();
    loop {
        let chunk = lines.next(CHUNK).await?;
        let bytes = chunk.iter().map(|line| line.bytes.len()).sum();
        let mut room = service.admission.bytes_now(bytes);
        // All of it is settled before waiting for room: it is part of what others wait for.
        if chunk.is_empty() || room.is_none() || flying.len() >= CHUNKS_IN_FLIGHT {
            let settling = if chunk.is_empty() || room.is_none() { flying.len() } else { 1 };
            for (numbers, _held, flight) in flying.drain(..settling) {
                let outcomes = service.intake.settle(&lane, flight).await?;
                report.add_lines(&numbers, &outcomes);
            }
        }
        if chunk.is_empty() {
            return Ok(Json(report.listing()).into_response());
        }
        if room.is_none() {
            room = Some(service.admission.bytes(bytes).await?);
        }
        service.access.check(caller)?;
        let numbers: Vec<u64> = chunk.iter().map(|line| line.number).collect();
        let examined: Vec<_> = chunk.iter().map(|line| service.examiner.examine_line_as(caller, line)).collect();
        service.rates.pace(caller, &examined).await;
        let flight = service.intake.take(&lane, examined).await?;
        flying.extend(room.map(|held| (numbers, held, flight)));
    }
}

/// What is told about many events.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
    ignored: Vec<String>,
    results: Vec<Value>,
    most: usize,
    /// Results that were left out.
    omitted: u64,
}

impl Report {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    fn count(&mut self, outcome: &Outcome) {
        *match outcome.status {
            Status::Accepted => &mut self.accepted,
            Status::Duplicate => &mut self.duplicates,
            Status::Refused(_) => &mut self.refused,
        } += 1;
    }

    /// Counts the events of a stream and lists those of which there is something to say.
    pub(crate) fn add_lines(&mut self, numbers: &[u64], outcomes: &[Outcome]) {
        for (number, outcome) in numbers.iter().zip(outcomes) {
            if matches!(outcome.status, Status::Refused(_)) || !outcome.ignored.is_empty() {
                self.add(outcome, Some(*number));
            } else {
                self.count(outcome);
            }
        }
    }

    /// Counts and lists an event.
    pub(crate) fn add(&mut self, outcome: &Outcome, line: Option<u64>) {
        self.count(outcome);
        if self.results.len() >= self.most {
            self.omitted += 1;
            return;
        }
        let mut result = match &outcome.status {
            Status::Accepted => json!({"status": "accepted"}),
            Status::Duplicate => json!({"status": "duplicate"}),
            Status::Refused(refusal) => {
                json!({"status": "refused", "field": refusal.field, "reason": refusal.reason})
            }
        };
        if let Some(line) = line {
            result["line"] = line.into();
        }
        if !outcome.ignored.is_empty() {
            result["ignored"] = json!(outcome.ignored);
        }
        self.results.push(result);
    }

    fn single(&self) -> Value {
        let mut answer = json!({"accepted": self.accepted, "duplicates": self.duplicates, "refused": self.refused});
        if !self.ignored.is_empty() {
            answer["ignored"] = json!(self.ignored);
        }
        answer
    }

    pub(crate) fn listing(self) -> Value {
        let mut answer = self.single();
        answer["results"] = self.results.into();
        if self.omitted > 0 {
            answer["omitted"] = self.omitted.into();
        }
        answer
    }
}
