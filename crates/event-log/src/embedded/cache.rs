//! The last batches of a partition in memory, so that readers near the end need no SQL.

use std::collections::VecDeque;

use bytes::Bytes;

/// A batch of encoded records, the first of which has the offset `base`.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) base: u64,
    pub(super) count: u64,
    pub(super) raw: Bytes,
}

impl Chunk {
    pub(super) fn end(&self) -> u64 {
        self.base + self.count
    }
}

/// What is kept of a partition, besides its last batch, which always is.
const MAX_BYTES: usize = 512 << 10;

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Without a gap, in order.
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

impl Cache {
    pub(super) fn push(&mut self, chunk: Chunk) {
        if self.chunks.back().is_some_and(|last| last.end() != chunk.base) {
            self.chunks.clear();
            self.bytes = 0;
        }
        self.bytes += chunk.raw.len();
        self.chunks.push_back(chunk);
        while self.bytes > MAX_BYTES && self.chunks.len() > 1 {
            self.bytes -= self.chunks.pop_front().map_or(0, |chunk| chunk.raw.len());
        }
    }

    /// The batches from the one that holds this offset on; none if it isn't there. They share their memory.
    pub(super) fn from(&self, offset: u64) -> VecDeque<Chunk> {
        let at = self.chunks.partition_point(|chunk| chunk.end() <= offset);
        match self.chunks.get(at) {
            Some(chunk) if chunk.base <= offset => self.chunks.range(at..).cloned().collect(),
            _ => VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, Chunk, MAX_BYTES};

    fn chunk(base: u64, count: u64, size: usize) -> Chunk {
        Chunk { base, count, raw: vec![0; size].into() }
    }

    #[test]
    fn finds_the_batches_from_an_offset_on() {
        let mut cache = Cache::default();
        cache.push(chunk(1, 3, 10));
        cache.push(chunk(4, 1, 10));
        let bases = |offset| cache.from(offset).iter().map(|chunk| chunk.base).collect::<Vec<u64>>();
        assert_eq!([0, 1, 3, 4, 5].map(bases), [vec![], vec![1, 4], vec![1, 4], vec![4], vec![]]);
    }

    #[test]
    fn forgets_the_oldest_but_never_the_last() {
        let mut cache = Cache::default();
        cache.push(chunk(1, 1, MAX_BYTES));
        cache.push(chunk(2, 1, MAX_BYTES + 1));
        assert!(cache.from(1).is_empty());
        assert!(!cache.from(2).is_empty());
    }

    #[test]
    fn has_no_gap() {
        let mut cache = Cache::default();
        cache.push(chunk(1, 1, 1));
        cache.push(chunk(5, 1, 1));
        assert!(cache.from(1).is_empty());
        assert!(!cache.from(5).is_empty());
    }
}
