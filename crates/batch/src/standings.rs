//! The tiers of one policy at one moment, from all facts at once.

use std::collections::BTreeMap;

use tiermesh_domain::{policy::Policy, time::Millis};
use tiermesh_proto::v1::Fact;

use crate::{
    book::Book,
    evaluate::{evaluate, population},
    log::{by_customer, first_of_each_name},
    outcome::Standing,
};

/// What the cut-points in force were computed from.
#[derive(Debug, Clone, Copy)]
pub struct CutPointsFrom<'a> {
    /// The facts that were known then, in the order of the log.
    pub facts: &'a [Fact],
    /// The boundary as of which they were computed.
    pub boundary: Millis,
}

/// What a continuous policy says of every customer with a fact.
///
/// `facts` are all that are known, in the order of the log: the first of a name stands. `tick` is the last one.
/// `cut_points`, for a relative policy: what they were computed from; `None`: there were none yet.
pub fn standings(
    facts: &[Fact],
    tick: Option<Millis>,
    policy: &Policy,
    cut_points: Option<CutPointsFrom<'_>>,
) -> BTreeMap<String, Standing> {
    let population = cut_points.and_then(|from| {
        let books = books(from.facts);
        population(books.values(), policy, from.boundary)
    });
    let standing =
        |(customer, book): (&str, Book<'_>)| (customer.to_owned(), evaluate(&book, policy, tick, population.as_ref()));
    books(facts).into_iter().map(standing).collect()
}

fn books(facts: &[Fact]) -> BTreeMap<&str, Book<'_>> {
    let customers = by_customer(&first_of_each_name(facts));
    customers.into_iter().map(|(customer, facts)| (customer, Book::of(&facts))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, lifecycle, order, pyramid};

    fn tiers(standings: &BTreeMap<String, Standing>) -> Vec<(&str, &str)> {
        standings.iter().map(|(customer, standing)| (customer.as_str(), standing.tier.as_str())).collect()
    }

    fn sold(customer: &str, time: &str, amount: &str) -> Fact {
        order(&format!("{customer}{time}"), customer, time, &format!("{customer}{time}"), amount)
    }

    #[test]
    fn ranks_are_those_of_the_cut_points() {
        let boundary = at("2010-02-01T00:00:00Z");
        let then = [
            sold("a", "2010-01-01T00:00:00Z", "40.00"),
            sold("b", "2010-01-01T00:00:00Z", "30.00"),
            sold("c", "2010-01-01T00:00:00Z", "20.00"),
            sold("d", "2010-01-01T00:00:00Z", "20.00"),
        ];
        let mut now = then.to_vec();
        now.push(sold("d", "2010-02-01T09:00:00Z", "15.00"));
        now.push(sold("e", "2010-02-01T09:00:00Z", "99.00"));
        now.push(then[0].clone());
        let cut = Some(CutPointsFrom { facts: &then, boundary });
        // 35 is compared with 40, 30, 20, 20: rank 1/4; e's 99 with the same: rank 0.
        assert_eq!(
            tiers(&standings(&now, Some(boundary), &pyramid(), cut)),
            [("a", "top"), ("b", "middle"), ("c", "base"), ("d", "middle"), ("e", "top")]
        );
        let none_yet = standings(&now, None, &pyramid(), None);
        assert!(tiers(&none_yet).iter().all(|(_, tier)| *tier == "base"));
    }

    #[test]
    fn customers_are_seen_at_the_tick() {
        let facts = [sold("a", "2010-01-01T00:00:00Z", "1.00"), sold("b", "2010-06-01T00:00:00Z", "1.00")];
        let seen = standings(&facts, Some(at("2010-06-02T00:00:00Z")), &lifecycle(), None);
        assert_eq!(tiers(&seen), [("a", "dormant"), ("b", "new")]);
    }

    #[test]
    fn the_first_in_the_log_stands() {
        let later_in_the_log = order("1", "a", "2009-01-01T00:00:00Z", "o", "1.00");
        let first_in_the_log = order("1", "a", "2010-01-01T00:00:00Z", "o", "1.00");
        let seen =
            standings(&[first_in_the_log, later_in_the_log], Some(at("2010-01-02T00:00:00Z")), &lifecycle(), None);
        assert_eq!(tiers(&seen), [("a", "new")]);
    }
}
