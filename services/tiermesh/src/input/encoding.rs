//! Encodings: UTF-8, or GB18030 turned into it on the way.

use std::io::{self, Read};

use clap::ValueEnum;
use encoding_rs::{CoderResult, Decoder, GB18030};

/// How text is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// UTF-8 if the whole file is, GB18030 otherwise.
    #[default]
    Auto,
    /// UTF-8, with or without a byte order mark.
    #[value(name = "utf-8")]
    Utf8,
    /// GB18030, and so GBK and GB2312.
    Gb18030,
}

const CHUNK: usize = 64 << 10;

/// True if all of it is UTF-8. The whole has to be looked at: a short Chinese text in GB18030 may look like UTF-8.
pub(super) fn is_utf8(mut reader: impl Read) -> io::Result<bool> {
    let mut buffer = vec![0; CHUNK];
    // The beginning of a character whose rest is still to come.
    let mut kept = 0;
    loop {
        let read = reader.read(buffer.get_mut(kept..).unwrap_or_default())?;
        if read == 0 {
            return Ok(kept == 0);
        }
        let filled = buffer.get(..kept + read).unwrap_or_default();
        match std::str::from_utf8(filled) {
            Ok(_) => kept = 0,
            Err(error) if error.error_len().is_some() => return Ok(false),
            Err(error) => {
                let valid = error.valid_up_to();
                kept = filled.len() - valid;
                buffer.copy_within(valid..valid + kept, 0);
            }
        }
    }
}

/// Gives GB18030 as UTF-8. What is neither becomes U+FFFD.
pub(super) struct FromGb18030<R> {
    reader: R,
    decoder: Decoder,
    input: Vec<u8>,
    /// What of `input` is not decoded yet.
    left: std::ops::Range<usize>,
    ended: bool,
    output: Vec<u8>,
    /// What of `output` is not given away yet.
    ready: std::ops::Range<usize>,
}

impl<R: Read> FromGb18030<R> {
    pub(super) fn new(reader: R) -> Self {
        let decoder = GB18030.new_decoder_with_bom_removal();
        Self {
            reader,
            decoder,
            input: vec![0; CHUNK],
            left: 0..0,
            ended: false,
            output: vec![0; CHUNK * 3],
            ready: 0..0,
        }
    }

    fn decode(&mut self) -> io::Result<()> {
        if self.left.is_empty() {
            let read = self.reader.read(&mut self.input)?;
            self.ended = read == 0;
            self.left = 0..read;
        }
        let input = self.input.get(self.left.clone()).unwrap_or_default();
        let (result, read, written, _) = self.decoder.decode_to_utf8(input, &mut self.output, self.ended);
        self.ready = 0..written;
        self.left.start += read;
        if result == CoderResult::OutputFull {
            self.ended = false;
        }
        Ok(())
    }
}

impl<R: Read> Read for FromGb18030<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() {
            if self.ended {
                return Ok(0);
            }
            self.decode()?;
        }
        let ready = self.output.get(self.ready.clone()).unwrap_or_default();
        let count = ready.len().min(buffer.len());
        if let (Some(into), Some(from)) = (buffer.get_mut(..count), ready.get(..count)) {
            into.copy_from_slice(from);
        }
        self.ready.start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte or two at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self.1.min(buffer.len());
            self.0.take(size as u64).read(buffer).inspect(|read| self.0 = &self.0[*read..])
        }
    }

    #[test]
    fn characters_may_be_spread_over_reads() {
        let text = "客户 ab 联通 🙂 é ".repeat(10_000);
        let (encoded, _, _) = GB18030.encode(&text);
        for size in [1, 3, CHUNK, 10 * CHUNK] {
            assert!(is_utf8(Trickle(text.as_bytes(), size)).unwrap());
            assert!(!is_utf8(Trickle(&encoded, size)).unwrap());
            let mut decoded = String::new();
            FromGb18030::new(Trickle(&encoded, size)).read_to_string(&mut decoded).unwrap();
            assert!(decoded == text);
        }
        assert!(!is_utf8(&text.as_bytes()[..text.len() - 2 - "é ".len()]).unwrap());
        assert!(is_utf8(&b""[..]).unwrap());
    }
}
