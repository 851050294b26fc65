//! The lines of a body of any length, as they come.

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes, BytesMut};
use futures::{FutureExt, StreamExt};

use super::body::{broken, discard};
use crate::{
    answer::Denial,
    settings::{LARGEST_BODY, LARGEST_EVENT},
};

/// A line that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    /// Without its end. At most [`LARGEST_EVENT`] bytes.
    pub(crate) bytes: Bytes,
    /// True: the line was longer, the rest of it is thrown away.
    pub(crate) cut: bool,
}

/// Reads lines from a body.
pub(crate) struct Lines {
    stream: BodyDataStream,
    buffer: BytesMut,
    /// So many bytes of `buffer` hold no line end.
    searched: usize,
    number: u64,
    /// The line at the beginning of `buffer` was cut: skip to its end.
    skipping: bool,
    ended: bool,
}

impl Lines {
    pub(crate) fn of(body: Body) -> Self {
        let stream = body.into_data_stream();
        Self { stream, buffer: BytesMut::new(), searched: 0, number: 0, skipping: false, ended: false }
    }

    /// The next lines: all that are there, at least one, at most `max` and some [`LARGEST_BODY`] bytes; none at the
    /// end of the body.
    pub(crate) async fn next(&mut self, max: usize) -> Result<Vec<Line>, Denial> {
        let mut lines: Vec<Line> = Vec::new();
        let mut bytes = 0;
        loop {
            while lines.len() < max
                && bytes < LARGEST_BODY
                && let Some(line) = self.take()
            {
                bytes += line.as_ref().map_or(0, |line| line.bytes.len());
                lines.extend(line);
            }
            if lines.len() >= max || bytes >= LARGEST_BODY || self.ended {
                return Ok(lines);
            }
            let data = match (lines.is_empty(), self.stream.next()) {
                (true, next) => next.await,
                (false, next) => match next.now_or_never() {
                    Some(data) => data,
                    None => return Ok(lines),
                },
            };
            match data {
                Some(data) => self.buffer.extend_from_slice(&data.map_err(broken)?),
                None => self.ended = true,
            }
        }
    }

    /// Reads the rest, for nothing.
    pub(crate) async fn discard(self) {
        discard(self.stream).await;
    }

    /// Takes the next line out of the buffer; `Some(None)` for a blank one, `None` if there is no whole line.
    fn take(&mut self) -> Option<Option<Line>> {
        let found = self.buffer.get(self.searched..)?.iter().position(|byte| *byte == b'\n');
        let end = match found {
            Some(at) => self.searched + at,
            None if self.ended && !self.buffer.is_empty() => self.buffer.len(),
            None => {
                self.searched = self.buffer.len();
                return self.cut_if_too_long();
            }
        };
        self.searched = 0;
        let mut bytes = self.buffer.split_to(end).freeze();
        if self.buffer.first() == Some(&b'\n') {
            self.buffer.advance(1);
        }
        if std::mem::take(&mut self.skipping) {
            return Some(None);
        }
        self.number += 1;
        let cut = bytes.len() > LARGEST_EVENT;
        bytes.truncate(LARGEST_EVENT);
        Some(self.line(bytes, cut))
    }

    fn cut_if_too_long(&mut self) -> Option<Option<Line>> {
        if self.skipping {
            self.buffer.clear();
            self.searched = 0;
            return None;
        }
        if self.buffer.len() <= LARGEST_EVENT {
            return None;
        }
        let bytes = self.buffer.split_to(LARGEST_EVENT).freeze();
        self.buffer.clear();
        self.searched = 0;
        self.skipping = true;
        self.number += 1;
        Some(self.line(bytes, true))
    }

    fn line(&self, mut bytes: Bytes, cut: bool) -> Option<Line> {
        if self.number == 1 && bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.advance(3);
        }
        if bytes.last() == Some(&b'\r') {
            bytes.truncate(bytes.len() - 1);
        }
        let blank = bytes.iter().all(u8::is_ascii_whitespace);
        (!blank).then_some(Line { number: self.number, bytes, cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(chunks: Vec<Vec<u8>>) -> Vec<(u64, usize, bool)> {
        let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
        let mut lines = Lines::of(Body::from_stream(futures::stream::iter(chunks)));
        let mut found = Vec::new();
        loop {
            let next = lines.next(2).await.unwrap();
            if next.is_empty() {
                return found;
            }
            assert!(next.len() <= 2);
            found.extend(next.into_iter().map(|line| (line.number, line.bytes.len(), line.cut)));
        }
    }

    #[tokio::test]
    async fn lines_may_be_spread_over_chunks() {
        let chunks = [&b"\xEF\xBB\xBFab"[..], b"c\r\n\n  \nd", b"", b"e\nf", b"\n"];
        let found = read(chunks.iter().map(|chunk| chunk.to_vec()).collect()).await;
        assert_eq!(found, [(1, 3, false), (4, 2, false), (5, 1, false)]);
        assert_eq!(read(vec![b"last".to_vec()]).await, [(1, 4, false)]);
        assert_eq!(read(vec![]).await, []);
    }

    #[tokio::test]
    async fn a_line_too_long_is_cut_and_the_next_is_whole() {
        let long = vec![b'x'; LARGEST_EVENT];
        let found = read(vec![long.clone(), b"yy".to_vec(), long.clone(), b"\nnext\n".to_vec(), long]).await;
        assert_eq!(found, [(1, LARGEST_EVENT, true), (2, 4, false), (3, LARGEST_EVENT, false)]);
        let mut one = vec![b'x'; LARGEST_EVENT + 1];
        one.extend_from_slice(b"\nnext");
        assert_eq!(read(vec![one]).await, [(1, LARGEST_EVENT, true), (2, 4, false)]);
    }
}
