//! The stored form of a position, and the checksums of what is stored.

use crc32fast::Hasher;

use crate::save::{OutputEnd, Position};

/// A position as its columns have it.
pub(crate) struct StoredPosition<'a> {
    pub(crate) input_log_id: &'a str,
    /// Its bits are those of the offset: SQL has no unsigned numbers.
    pub(crate) next_offset: i64,
    /// JSON.
    pub(crate) outputs: &'a str,
}

impl StoredPosition<'_> {
    pub(crate) fn read(&self) -> Result<Position, String> {
        let outputs: Vec<OutputEnd> =
            serde_json::from_str(self.outputs).map_err(|error| format!("its outputs can't be read: {error}"))?;
        let next_offset = self.next_offset.cast_unsigned();
        Ok(Position { input_log_id: self.input_log_id.to_owned(), next_offset, outputs })
    }

    /// Checksum of a write: the position it led to, and its segment by the segment's own checksum. It shows a position
    /// that is not the one saved, and the repetition of a write whose answer was lost.
    pub(crate) fn stamp(&self, is_alone: bool, segment_crc32: i64) -> i64 {
        let mut hasher = Hasher::new();
        hasher.update(&[u8::from(is_alone)]);
        hasher.update(&segment_crc32.to_le_bytes());
        hasher.update(&self.next_offset.to_le_bytes());
        for text in [self.input_log_id, self.outputs] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        i64::from(hasher.finalize())
    }
}

/// The outputs of a position as their column has them.
pub(crate) fn outputs(position: &Position) -> String {
    serde_json::to_string(&position.outputs).expect("structs of texts and numbers are always JSON")
}

/// A row holds no more of a segment: larger ones cost the database several times their size in memory at once.
pub(crate) const MOST_IN_A_ROW: usize = 4 << 20;

/// A segment's parts, a row each (one if it is empty), and its checksum: that of all its bytes.
pub(crate) fn parts(bytes: &[u8]) -> (Vec<(&[u8], i64)>, i64) {
    let pieces = if bytes.is_empty() { vec![bytes] } else { bytes.chunks(MOST_IN_A_ROW).collect() };
    let mut whole = Hasher::new();
    let part = |piece| {
        let mut hasher = Hasher::new();
        hasher.update(piece);
        whole.combine(&hasher);
        (piece, i64::from(hasher.finalize()))
    };
    let parts = pieces.into_iter().map(part).collect();
    (parts, i64::from(whole.finalize()))
}

/// A segment as its parts are read, one after the other.
#[derive(Default)]
pub(crate) struct ReadSegment {
    pub(crate) bytes: Vec<u8>,
    crc32: Hasher,
    read: i64,
}

impl ReadSegment {
    /// Adds the next part: false if its bytes are not those that the checksum is of.
    pub(crate) fn add(&mut self, part: &[u8], crc32: i64) -> bool {
        let mut hasher = Hasher::new();
        hasher.update(part);
        self.crc32.combine(&hasher);
        self.bytes.extend_from_slice(part);
        self.read += 1;
        i64::from(hasher.finalize()) == crc32
    }

    /// How many parts were read.
    pub(crate) fn read(&self) -> i64 {
        self.read
    }

    /// Checksum of all its bytes.
    pub(crate) fn crc32(&self) -> i64 {
        i64::from(self.crc32.clone().finalize())
    }
}
