//! Dead letters: what was refused, kept with the reason and the original bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use tiermesh_domain::{fact::Refusal, hash};
use tiermesh_event_log::{LogError, NewRecord, topics::DEAD_LETTERS};
use tiermesh_proto::v1::DeadLetter;

use super::{Outlet, Pending, dead_letter_record};
use crate::{clock::Clock, settings::LARGEST_EVENT};

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
}

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
        for event in bad {
            let partition = match event.subject.as_str() {
                "" => (hash::content_of(&event.original) % u64::from(self.partitions.max(1))) as u32,
                subject => hash::partition_of(subject, self.partitions),
            };
            groups.entry(partition).or_default().push(self.record(event));
        }
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
        let letter = DeadLetter {
            origin: None,
            reason,
            field: event.refusal.field,
            original: event.original.slice(..kept).to_vec(),
            content_type: event.content_type,
            received_ms: self.clock.now_ms(),
            source: event.source,
            id: event.id,
            subject: event.subject,
        };
        dead_letter_record(&letter, &event.headers)
    }
}
