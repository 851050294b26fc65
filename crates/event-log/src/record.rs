//! Records as every backend stores them: a CloudEvent in binary mode.

use bytes::Bytes;

/// A header of a record: CloudEvents attributes (`ce_…`), `content-type`, `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The header's name, lower case.
    pub name: String,
    /// Its value, UTF-8.
    pub value: String,
}

/// A record that is about to be appended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRecord {
    /// What the record is about (the customer's id), or empty.
    pub key: Bytes,
    /// The protobuf message.
    pub value: Bytes,
    /// Headers in the order they are written.
    pub headers: Vec<Header>,
}

/// A record as read from a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition; at least 1 for data.
    pub offset: u64,
    /// What the record is about, or empty.
    pub key: Bytes,
    /// The protobuf message.
    pub value: Bytes,
    /// Headers as they were written.
    pub headers: Vec<Header>,
}

impl Record {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
    }
}

/// The random identity of one partition of one topic, made when it is created.
///
/// Saves and marks keep it: a log that was deleted and made again has another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(pub String);

impl LogId {
    /// The identity of a new log.
    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }
}

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
