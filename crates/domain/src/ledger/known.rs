//! Which of a customer's facts are known, each by a hash of its name and a check of its content: 12 bytes.
//!
//! 64 bits of name: of a customer's n facts two share theirs with odds of n² ÷ 2⁶⁵, which is 2·10⁻¹¹ for any of a
//! million customers with 25 facts, and 3·10⁻¹⁰ for one with 100,000. Such a pair would be told as a conflict, unless
//! 32 bits of content agreed too. An order's number is a hash of the same width.

use hashbrown::HashTable;

use super::tight::push;
use crate::{
    fold::FoldError,
    packing::{Reader, Writer},
};

/// What became of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is new, and counts.
    New,
    /// It was known already, to the letter.
    Duplicate,
    /// Its name was known, with other content: the first stands.
    Conflict,
}

/// So many are looked through one by one before a table is worth its memory.
const SCANNED: usize = 32;

/// Whether so many are worth a table.
pub(super) fn is_many(count: usize) -> bool {
    count > SCANNED
}

/// What a search goes through one by one: all, unless they are many and found by an index.
pub(super) fn scanned<T>(items: &[T]) -> &[T] {
    if is_many(items.len()) { &[] } else { items }
}

/// Finds a hash among many: by looking through them while they are few, by a table once they aren't.
#[derive(Debug, Clone, Default)]
pub(super) struct Index(Option<Box<HashTable<u32>>>);

impl Index {
    /// The place of a hash among so many.
    pub(super) fn find(&self, hash: u64, count: usize, at: impl Fn(usize) -> u64) -> Option<u32> {
        match &self.0 {
            None => (0..count).find(|place| at(*place) == hash).map(|place| place as u32),
            Some(table) => table.find(hash, |place| at(*place as usize) == hash).copied(),
        }
    }

    /// Takes in the last of so many.
    pub(super) fn added(&mut self, count: usize, at: impl Fn(usize) -> u64) {
        if let Some(table) = &mut self.0 {
            let place = count.saturating_sub(1);
            table.insert_unique(at(place), place as u32, |place| at(*place as usize));
        } else if is_many(count) {
            self.filled(count, at);
        }
    }

    /// Takes in all, after a load.
    pub(super) fn filled(&mut self, count: usize, at: impl Fn(usize) -> u64) {
        self.0 = is_many(count).then(|| {
            let mut table = HashTable::with_capacity(count);
            for place in 0..count {
                table.insert_unique(at(place), place as u32, |place| at(*place as usize));
            }
            Box::new(table)
        });
    }
}

/// A fact's name and content, each as a hash. In words of 32 bits, so that none is lost to alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known([u32; 3]);

impl Known {
    fn new(name: u64, content: u32) -> Self {
        Self([name as u32, (name >> 32) as u32, content])
    }

    fn name(self) -> u64 {
        u64::from(self.0[0]) | u64::from(self.0[1]) << 32
    }
}

/// The facts of one customer, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownFacts {
    facts: Vec<Known>,
    index: Index,
}

impl KnownFacts {
    /// Whether a fact is new; if it is, it is known from now on.
    pub(super) fn admit(&mut self, name: u64, content: u32) -> Admission {
        let known = Known::new(name, content);
        let facts = &mut self.facts;
        if let Some(place) = self.index.find(name, facts.len(), |place| facts[place].name()) {
            return if facts[place as usize] == known { Admission::Duplicate } else { Admission::Conflict };
        }
        push(facts, known);
        self.index.added(facts.len(), |place| facts[place].name());
        Admission::New
    }

    /// Some of what [`Self::admit`] looks at: see [`super::Ledger::touched`].
    pub(super) fn touched(&self) -> u64 {
        scanned(&self.facts).iter().step_by(5).chain(self.facts.last()).fold(0, |touched, fact| touched ^ fact.name())
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// Packs all from a place on.
    pub(super) fn pack(&self, from: usize, into: &mut Writer) {
        let facts = self.facts.get(from..).unwrap_or_default();
        into.number(facts.len() as u64);
        for fact in facts {
            fact.0.iter().for_each(|word| into.bytes.extend_from_slice(&word.to_le_bytes()));
        }
    }

    /// Adds what was packed.
    pub(super) fn unpack(&mut self, from: &mut Reader<'_>) -> Result<(), FoldError> {
        let count = from.count(12)?;
        self.facts.reserve_exact(count);
        let (words, _) = from.take(count * 12)?.as_chunks::<4>();
        let (facts, _) = words.as_chunks::<3>();
        self.facts.extend(facts.iter().map(|fact| Known(fact.map(u32::from_le_bytes))));
        Ok(())
    }

    /// Makes the index anew.
    pub(super) fn derive(&mut self) {
        let facts = &self.facts;
        self.index.filled(facts.len(), |place| facts[place].name());
    }
}
