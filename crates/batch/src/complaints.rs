//! Complaints: what was opened, and what of it is closed.

use std::collections::BTreeMap;

use tiermesh_domain::time::Millis;
use tiermesh_proto::v1::{Fact, fact::Data};

use crate::window::days;

/// A customer's complaints.
pub(crate) struct Complaints<'a> {
    /// Every opening, by (time, source, id).
    opened: Vec<Opening<'a>>,
    closed: Vec<(&'a str, Millis)>,
}

/// A complaint is opened.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    complaint_id: &'a str,
    category: &'a str,
    pub(crate) at: Millis,
}

impl<'a> Opening<'a> {
    /// The opening that a fact tells of.
    pub(crate) fn of(fact: &'a Fact) -> Option<Self> {
        match &fact.data {
            Some(Data::ComplaintOpened(opened)) => {
                Some(Self { complaint_id: &opened.complaint_id, category: &opened.category, at: fact.time_ms })
            }
            _ => None,
        }
    }
}

impl<'a> Complaints<'a> {
    /// `facts`: one customer's, sorted by (time, source, id).
    pub(crate) fn of(facts: &[&'a Fact]) -> Self {
        let closing = |fact: &&'a Fact| match &fact.data {
            Some(Data::ComplaintClosed(closed)) => Some((closed.complaint_id.as_str(), fact.time_ms)),
            _ => None,
        };
        Self {
            opened: facts.iter().filter_map(|fact| Opening::of(fact)).collect(),
            closed: facts.iter().filter_map(closing).collect(),
        }
    }

    /// When one was opened.
    pub(crate) fn times(&self) -> impl Iterator<Item = Millis> {
        self.opened.iter().map(|opening| opening.at)
    }

    /// Is one open: opened, and not closed at or after its last opening?
    pub(crate) fn any_open(&self) -> bool {
        self.last_openings()
            .values()
            .any(|opening| !self.closed.iter().any(|(closed, at)| *closed == opening.complaint_id && *at >= opening.at))
    }

    /// Was a complaint of the same category, be it this very one, closed at most so many days before this one was opened?
    pub(crate) fn follows_a_closed_one(&self, opening: &Opening<'_>, at_most_days: u32) -> bool {
        let last_openings = self.last_openings();
        self.closed.iter().any(|(closed, closed_at)| {
            let same_category = last_openings.get(closed).is_some_and(|last| last.category == opening.category);
            let gap = opening.at - closed_at;
            same_category && (0..=days(at_most_days)).contains(&gap)
        })
    }

    fn last_openings(&self) -> BTreeMap<&str, &Opening<'a>> {
        self.opened.iter().map(|opening| (opening.complaint_id, opening)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{book, closed, opened};

    fn any_open(facts: &[Fact]) -> bool {
        book(facts).complaints.any_open()
    }

    #[test]
    fn open_until_closed_at_or_after_the_last_opening() {
        let first = opened("1", "2010-01-01T00:00:00Z", "a", "price");
        let done = closed("2", "2010-01-02T00:00:00Z", "a");
        let again = opened("3", "2010-01-03T00:00:00Z", "a", "price");
        let at_once = closed("4", "2010-01-03T00:00:00Z", "a");
        assert!(any_open(std::slice::from_ref(&first)));
        assert!(!any_open(&[first.clone(), done.clone()]));
        assert!(any_open(&[first.clone(), done.clone(), again.clone()]));
        assert!(!any_open(&[first.clone(), done.clone(), again, at_once]));
        let other = opened("5", "2010-01-01T00:00:00Z", "b", "price");
        assert!(any_open(&[first, done, other]), "another one is open");
        assert!(!any_open(&[closed("2", "2010-01-02T00:00:00Z", "a")]), "closed, never opened");
    }

    #[test]
    fn follows_one_of_its_category_within_14_days() {
        let follows = |closed_at: &str, id: &str, category: &str| {
            let facts = [
                opened("1", "2010-01-01T00:00:00Z", "a", "price"),
                closed("2", closed_at, "a"),
                opened("3", "2010-02-01T00:00:00Z", id, category),
            ];
            let opening = Opening::of(&facts[2]).unwrap();
            book(&facts).complaints.follows_a_closed_one(&opening, 14)
        };
        assert!(follows("2010-01-18T00:00:00Z", "b", "price"), "exactly 14 days");
        assert!(!follows("2010-01-17T23:59:59.999Z", "b", "price"), "a millisecond more");
        assert!(follows("2010-02-01T00:00:00Z", "b", "price"), "at once");
        assert!(!follows("2010-02-01T00:00:00.001Z", "b", "price"), "closed later");
        assert!(!follows("2010-01-20T00:00:00Z", "b", "quality"), "another category");
        assert!(follows("2010-01-20T00:00:00Z", "a", "price"), "the same complaint, opened again");
    }
}
