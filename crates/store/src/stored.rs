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
    pub(crate) fn stamp(&self, is_snapshot: bool, segment_crc32: i64) -> i64 {
        let mut hasher = Hasher::new();
        hasher.update(&[u8::from(is_snapshot)]);
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

/// Checksum of a segment.
pub(crate) fn crc32(bytes: &[u8]) -> i64 {
    i64::from(crc32fast::hash(bytes))
}
