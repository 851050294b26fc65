//! A record as others wrote it.

use bytes::Bytes;
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers},
};

/// A record of an inbound topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InboundRecord {
    /// Its place in the partition.
    pub offset: u64,
    /// `None`: a tombstone.
    pub value: Option<Bytes>,
    /// Headers in their order; any bytes.
    pub headers: Vec<(String, Bytes)>,
}

impl InboundRecord {
    pub(super) fn read(message: &BorrowedMessage<'_>) -> Self {
        let copy = Bytes::copy_from_slice;
        let header = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.map(copy).unwrap_or_default())
        };
        Self {
            offset: message.offset() as u64,
            value: message.payload().map(copy),
            headers: message.headers().map(|headers| headers.iter().map(header).collect()).unwrap_or_default(),
        }
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| &value[..])
    }
}
