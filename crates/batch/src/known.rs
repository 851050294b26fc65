//! What is known so far in a history: each customer's facts, and what they say.

use std::collections::BTreeMap;

use tiermesh_proto::v1::Fact;

use crate::book::Book;

/// All customers with a fact so far.
#[derive(Default)]
pub(crate) struct Known<'a> {
    facts: BTreeMap<&'a str, Vec<&'a Fact>>,
    /// Each customer's facts, read.
    pub(crate) books: BTreeMap<&'a str, Book<'a>>,
}

impl<'a> Known<'a> {
    /// Takes the next fact of the total order, and reads all facts of its customer anew.
    pub(crate) fn learn(&mut self, fact: &'a Fact) {
        let facts = self.facts.entry(&fact.subject).or_default();
        facts.push(fact);
        self.books.insert(&fact.subject, Book::of(facts));
    }
}
