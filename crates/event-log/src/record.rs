//! Records as every backend stores them: a CloudEvent in binary mode.

use bytes::Bytes;

use crate::headers::Headers;

/// A record that is about to be appended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRecord {
    /// What the record is about (the customer's id), or empty.
    pub key: Bytes,
    /// The protobuf message.
    pub value: Bytes,
    /// Its headers.
    pub headers: Headers,
}

/// What ends the value of a fact or tick whose trace is recorded: `traced` of `CustomerEvent`, its last field.
const TRACED: [u8; 2] = [0x78, 0x01];

impl NewRecord {
    /// Has the record carry a trace on. Where it is recorded a [`CustomerEvent`](tiermesh_proto::v1::CustomerEvent)
    /// says so in its value too, so that who reads many doesn't have to look at the headers of all.
    pub fn carry_trace(&mut self, traceparent: &str, is_recorded: bool) {
        self.headers.push(TRACEPARENT, traceparent);
        if is_recorded {
            self.value = [&self.value[..], &TRACED].concat().into();
        }
    }
}

/// The header with which a record carries a trace on (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

/// Whether the value may be of an event whose trace is recorded. Where the bytes mean something else nothing is lost: its
/// headers are looked at.
pub(crate) fn may_be_traced(value: &[u8]) -> bool {
    value.ends_with(&TRACED)
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
    /// Its headers, as they were written.
    pub headers: Headers,
}

impl Record {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
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
