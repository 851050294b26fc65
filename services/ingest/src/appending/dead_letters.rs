//! Dead letters: what was refused, kept with the reason and the original bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use tiermesh_domain::{fact::Refusal, hash};
use tiermesh_event_log::{LogError, NewRecord, topics::DEAD_LETTERS};
use tiermesh_proto::v1::{DeadLetter, FilePlace, InboundHeader, InboundPlace, Resolution};
use tiermesh_service_host::telemetry::{TRACEPARENT, parse};

use super::{Outlet, Pending, dead_letter_record};
use crate::{clock::Clock, settings::LARGEST_EVENT, trace};

/// An event that was refused.
#[derive(Debug, Clone)]
pub(crate) struct BadEvent {
    /// Why.
    pub(crate) refusal: Refusal,
    /// As it came.
    pub(crate) original: Bytes,
    /// The type of `original`.
    pub(crate) content_type: String,
    /// The `ce-` headers it came with, in binary mode.
    pub(crate) headers: Vec<(String, String)>,
    /// As far as known.
    pub(crate) source: String,
    /// As far as known.
    pub(crate) id: String,
    /// As far as known.
    pub(crate) subject: String,
    /// Where.
    pub(crate) found: Found,
}

/// Where a bad event was found.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// In a request.
    Request,
    /// In a record of an inbound topic, with these headers.
    Inbound(InboundPlace, Vec<InboundHeader>),
    /// In a file, as a row that no event could be made of.
    File(FilePlace),
}

/// Most headers of a record or request that are kept.
const MOST_HEADERS: usize = 64;
/// So much of a header's value, and of any text, is kept: what others write may be of any length, and with all of it a
/// letter has to be smaller than the megabyte that the log takes.
const LONGEST_TEXT: usize = 4096;
/// So much of a header's name is kept.
const LONGEST_NAME: usize = 256;

/// Writes dead letters, through a producer of its own.
pub(crate) struct DeadLetters {
    outlet: Outlet,
    partitions: u32,
    clock: Clock,
}

impl DeadLetters {
    pub(crate) fn new(outlet: Outlet, partitions: u32, clock: Clock) -> Self {
        Self { outlet, partitions, clock }
    }

    /// Keeps them; returns once they are durable.
    pub(crate) async fn keep(&self, bad: Vec<BadEvent>, deadline: tokio::time::Instant) -> Result<(), LogError> {
        let mut groups: BTreeMap<u32, Vec<NewRecord>> = BTreeMap::new();
        for event in bad.into_iter().map(bounded) {
            let partition = match event.subject.as_str() {
                "" => (hash::content_of(&event.original) % u64::from(self.partitions.max(1))) as u32,
                subject => hash::partition_of(subject, self.partitions),
            };
            groups.entry(partition).or_default().push(self.record(event));
        }
        self.append(groups, deadline).await
    }

    /// Notes what became of a letter, beside it; returns once that is durable.
    pub(crate) async fn note(
        &self,
        partition: u32,
        letter: DeadLetter,
        resolution: Resolution,
        deadline: tokio::time::Instant,
    ) -> Result<(), LogError> {
        let DeadLetter { source, id, subject, .. } = letter;
        let received_ms = self.clock.now_ms();
        let note =
            DeadLetter { source, id, subject, received_ms, resolution: Some(resolution), ..DeadLetter::default() };
        let record = dead_letter_record(&uuid::Uuid::new_v4().to_string(), &note, &[]);
        self.append(BTreeMap::from([(partition, vec![record])]), deadline).await
    }

    async fn append(
        &self,
        groups: BTreeMap<u32, Vec<NewRecord>>,
        deadline: tokio::time::Instant,
    ) -> Result<(), LogError> {
        if groups.is_empty() {
            return Ok(());
        }
        let producer = self.outlet.producer().await?;
        let kept = async {
            let mut pending = Pending::until(deadline);
            for (partition, records) in groups {
                pending.send(&producer, DEAD_LETTERS.name, partition, records).await?;
            }
            pending.acknowledged().await
        };
        let kept = kept.await;
        if matches!(kept, Err(LogError::DeliveryFailed(_))) {
            self.outlet.discard(&producer).await;
        }
        kept
    }

    fn record(&self, event: BadEvent) -> NewRecord {
        let mut reason = event.refusal.reason;
        let kept = event.original.len().min(LARGEST_EVENT);
        if kept < event.original.len() {
            reason = format!("{reason} (the first {kept} of its {} bytes are kept)", event.original.len());
        }
        let mut letter = DeadLetter {
            reason,
            field: event.refusal.field,
            original: event.original.slice(..kept).to_vec(),
            content_type: event.content_type,
            received_ms: self.clock.now_ms(),
            source: event.source,
            id: event.id,
            subject: event.subject,
            ..DeadLetter::default()
        };
        let mut trace = trace::current();
        // What may be written twice has the same id both times.
        let id = match event.found {
            Found::Request => uuid::Uuid::new_v4().to_string(),
            Found::Inbound(place, headers) => {
                let id = format!("{}-{}-{}", place.topic, place.partition, place.offset);
                letter.inbound = Some(place);
                let brought = headers.iter().find(|header| header.name == TRACEPARENT);
                trace = brought.and_then(|header| String::from_utf8(header.value.clone()).ok());
                letter.headers = headers.into_iter().take(MOST_HEADERS).collect();
                for header in &mut letter.headers {
                    cut(&mut header.name, LONGEST_NAME);
                    header.value.truncate(LONGEST_TEXT);
                }
                id
            }
            Found::File(place) => {
                letter.file = Some(place);
                uuid::Uuid::new_v4().to_string()
            }
        };
        let mut record = dead_letter_record(&id, &letter, &event.headers);
        if let Some(traceparent) = trace.filter(|value| parse(value).is_some()) {
            record.headers.push(TRACEPARENT, &traceparent);
        }
        record
    }
}

/// The event with no text longer than what is kept.
fn bounded(mut event: BadEvent) -> BadEvent {
    let BadEvent { refusal, source, id, subject, headers, .. } = &mut event;
    for text in [&mut refusal.field, &mut refusal.reason, source, id, subject] {
        cut(text, LONGEST_TEXT);
    }
    headers.truncate(MOST_HEADERS);
    for (name, value) in headers {
        cut(name, LONGEST_NAME);
        cut(value, LONGEST_TEXT);
    }
    event
}

fn cut(text: &mut String, longest: usize) {
    text.truncate(text.floor_char_boundary(longest));
}
