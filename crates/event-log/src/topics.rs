//! The topics of the mesh, in one table: name, key, value, partitions, settings.

use std::marker::PhantomData;

use bytes::Bytes;
use prost::Message;
use tiermesh_proto::v1;

use crate::{
    headers::Headers,
    record::{NewRecord, Record},
    seam::{LogError, TopicDifference},
};

/// How many partitions a topic has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitions {
    /// As many as the mesh was created with: 16 unless said otherwise, 8 embedded.
    Mesh,
    /// One: the order between its records matters.
    One,
}

/// A topic: one typed constant says all of it.
#[derive(Debug)]
pub struct Topic<V> {
    /// Its name in the log.
    pub name: &'static str,
    /// Its partitions.
    pub partitions: Partitions,
    /// `None`: records stay for ever.
    pub retention_days: Option<u32>,
    /// What keys its records.
    pub key: &'static str,
    value: PhantomData<fn() -> V>,
}

impl<V: Message + Default> Topic<V> {
    const fn new(name: &'static str, key: &'static str, partitions: Partitions, retention_days: Option<u32>) -> Self {
        Self { name, partitions, retention_days, key, value: PhantomData }
    }

    /// A record of this topic.
    pub fn record(&self, key: impl Into<Bytes>, value: &V, headers: Headers) -> NewRecord {
        NewRecord { key: key.into(), value: value.encode_to_vec().into(), headers }
    }

    /// The message in a record of this topic.
    ///
    /// # Errors
    /// [`LogError::Corrupt`], naming topic and offset, if the value is not such a message.
    pub fn decode(&self, record: &Record) -> Result<V, LogError> {
        V::decode(record.value.clone())
            .map_err(|error| LogError::Corrupt(format!("topic `{}`, offset {}: {error}", self.name, record.offset)))
    }

    /// The definition, for creating and checking.
    pub fn spec(&self, mesh_partitions: u32) -> TopicSpec {
        TopicSpec {
            name: self.name.to_owned(),
            partitions: match self.partitions {
                Partitions::Mesh => mesh_partitions,
                Partitions::One => 1,
            },
            retention_days: self.retention_days,
        }
    }
}

/// A topic's definition once the number of the mesh's partitions is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: u32,
    /// `None`: records stay for ever.
    pub retention_days: Option<u32>,
}

impl TopicSpec {
    /// Kafka's `retention.ms` for it.
    pub(crate) fn retention_ms(&self) -> String {
        self.retention_days.map_or_else(|| "-1".to_owned(), |days| (u64::from(days) * 24 * 60 * 60 * 1000).to_string())
    }

    pub(crate) fn differs(&self, what: &str, expected: impl ToString, found: impl ToString) -> TopicDifference {
        TopicDifference {
            topic: self.name.clone(),
            what: what.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// How a topic of the memory or the embedded log, which have no other settings, differs from this definition.
    pub(crate) fn compare(&self, found: Option<&TopicSpec>) -> Vec<TopicDifference> {
        let Some(found) = found else {
            return vec![self.differs("missing", "a topic", "none")];
        };
        let mut differences = Vec::new();
        if found.partitions != self.partitions {
            differences.push(self.differs("partitions", self.partitions, found.partitions));
        }
        if found.retention_days != self.retention_days {
            differences.push(self.differs("retention.ms", self.retention_ms(), found.retention_ms()));
        }
        differences
    }
}

/// Facts, ticks and copies of control records, keyed by customer. Written by ingest alone.
pub const CUSTOMER_EVENTS: Topic<v1::CustomerEvent> = Topic::new("customer.events", "customer", Partitions::Mesh, None);
/// Policies, detector settings, cut-points: whatever decides how facts count.
pub const CONTROL: Topic<v1::Control> = Topic::new("control", "policy", Partitions::One, None);
/// What each partition knows of the ranked metrics at a boundary.
pub const SCORING_SUMMARIES: Topic<v1::Summary> = Topic::new("scoring.summaries", "partition", Partitions::One, None);
/// Every change of a customer's tier, with its explanation.
pub const TIER_CHANGES: Topic<v1::TierChange> = Topic::new("tier.changes", "customer", Partitions::Mesh, None);
/// Every loss signal raised, updated, cleared.
pub const CHURN_SIGNALS: Topic<v1::LossSignal> = Topic::new("churn.signals", "customer", Partitions::Mesh, None);
/// Events that were refused, with the reason and their original bytes.
pub const DEAD_LETTERS: Topic<v1::DeadLetter> =
    Topic::new("ingest.dead-letters", "subject", Partitions::Mesh, Some(365));

/// What became of telling somebody, one record whenever a delivery's state changes. Written by notification.
pub const NOTIFICATION_DELIVERIES: Topic<v1::Delivery> =
    Topic::new("notification.deliveries", "customer", Partitions::Mesh, Some(365));

/// Whether a topic of that name is the mesh's own.
pub fn is_ours(name: &str) -> bool {
    name.starts_with("tiermesh.") || all(1).iter().any(|topic| topic.name == name)
}

/// The partitions of a mesh on Kafka unless said otherwise.
pub const DEFAULT_PARTITIONS: u32 = 16;
/// The partitions of an embedded mesh unless said otherwise.
pub const DEFAULT_EMBEDDED_PARTITIONS: u32 = 8;

/// All topics of a mesh with so many partitions.
pub fn all(mesh_partitions: u32) -> Vec<TopicSpec> {
    vec![
        CUSTOMER_EVENTS.spec(mesh_partitions),
        CONTROL.spec(mesh_partitions),
        SCORING_SUMMARIES.spec(mesh_partitions),
        TIER_CHANGES.spec(mesh_partitions),
        CHURN_SIGNALS.spec(mesh_partitions),
        DEAD_LETTERS.spec(mesh_partitions),
        NOTIFICATION_DELIVERIES.spec(mesh_partitions),
    ]
}
