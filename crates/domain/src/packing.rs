//! Packing by hand what there is most of: numbers as varints, texts and bytes with their length in front.
//!
//! What is rare or small goes through [`fold::pack`](crate::fold) instead.

use crate::fold::FoldError;

/// Adds to packed bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    /// A number, in as many bytes as it needs.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// A number that may be negative; small ones of either sign are short.
    pub(crate) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    /// Bytes, their length in front.
    pub(crate) fn sized(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// What is written from now on gets its length in front, once [`Writer::end_sized`] is told what this gave.
    pub(crate) fn begin_sized(&mut self) -> usize {
        self.bytes.extend_from_slice(&[0x80, 0x80, 0x80, 0]);
        self.bytes.len()
    }

    /// See [`Writer::begin_sized`]. The length takes four bytes, however short it is; what is longer than they can tell
    /// is moved up.
    pub(crate) fn end_sized(&mut self, began: usize) {
        let length = self.bytes.len() - began;
        let room = self.bytes[..began].last_chunk_mut::<4>();
        if let (Some(room), true) = (room, length < 1 << 28) {
            for (nth, byte) in room.iter_mut().enumerate() {
                let more = if nth < 3 { 0x80 } else { 0 };
                *byte = (length >> (7 * nth)) as u8 & 0x7f | more;
            }
            return;
        }
        let body = self.bytes.split_off(began);
        self.bytes.truncate(began.saturating_sub(4));
        self.sized(&body);
    }
}

/// Takes from packed bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn number(&mut self) -> Result<u64, FoldError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first().ok_or_else(cut)?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(number);
            }
        }
        Err(FoldError::corrupt("saved state: a number is too long"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, FoldError> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A number of 32 bits.
    pub(crate) fn short(&mut self) -> Result<u32, FoldError> {
        u32::try_from(self.number()?).map_err(|_| FoldError::corrupt("saved state: a number is too large"))
    }

    /// How many of something follow, of which each takes at least so many bytes.
    pub(crate) fn count(&mut self, least_bytes: usize) -> Result<usize, FoldError> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        if count.saturating_mul(least_bytes) > self.bytes.len() { Err(cut()) } else { Ok(count) }
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], FoldError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(cut)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// So many bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FoldError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or_else(cut)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// Bytes with their length in front.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], FoldError> {
        let count = self.count(1)?;
        self.take(count)
    }
}

fn cut() -> FoldError {
    FoldError::corrupt("saved state: it is cut off")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(number: u64, signed: i64, text: String) {
            let mut writer = Writer::default();
            writer.number(number);
            writer.signed(signed);
            writer.sized(text.as_bytes());
            let began = writer.begin_sized();
            writer.sized(text.as_bytes());
            writer.end_sized(began);
            let mut reader = Reader::new(&writer.bytes);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.sized(), Ok(text.as_bytes()));
            prop_assert_eq!(Reader::new(reader.sized().unwrap()).sized(), Ok(text.as_bytes()));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn anything_else_is_an_error_not_a_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.signed().is_ok() && reader.sized().is_ok() && reader.array::<4>().is_ok() {}
        }
    }
}
