//! The records of one poll, in one piece of memory: librdkafka's own is given back at once, and a piece for each key and
//! value would cost more than folding them.

use bytes::Bytes;
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers as _},
};

use crate::{
    headers::{self, Headers},
    record::{Record, may_be_traced},
};

pub(super) struct Batch {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

/// How much of a record's there is, one behind the other.
struct Place {
    offset: u64,
    key: usize,
    value: usize,
    headers: usize,
}

impl Batch {
    /// For about so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes + bytes / 8), places: Vec::new() }
    }

    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Copies a record; its headers only if they are wanted, or it may be traced.
    pub(super) fn add(&mut self, message: &BorrowedMessage<'_>, headers: bool) {
        let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        let before = self.bytes.len();
        if headers || may_be_traced(value) {
            for header in message.headers().iter().flat_map(|headers| headers.iter()) {
                // Ours are UTF-8; those of others are not a reason to stop.
                let value = String::from_utf8_lossy(header.value.unwrap_or_default());
                headers::put(&mut self.bytes, header.key, &value);
            }
        }
        self.places.push(Place {
            offset: message.offset() as u64,
            key: key.len(),
            value: value.len(),
            headers: self.bytes.len() - before,
        });
    }

    pub(super) fn into_records(self) -> Vec<Record> {
        let mut bytes = Bytes::from(self.bytes);
        // What is empty shares nothing.
        let mut next = |size| if size == 0 { Bytes::new() } else { bytes.split_to(size) };
        let record = |place: Place| Record {
            offset: place.offset,
            key: next(place.key),
            value: next(place.value),
            headers: Headers::packed(next(place.headers)),
        };
        self.places.into_iter().map(record).collect()
    }
}
