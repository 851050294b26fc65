//! Which facts count, and in what order.

use std::collections::{BTreeMap, BTreeSet};

use tiermesh_domain::fact;
use tiermesh_proto::v1::Fact;

/// All facts in the total order: (time, subject, source, id).
pub(crate) fn in_total_order(facts: &[Fact]) -> Vec<Fact> {
    let mut sorted = facts.to_vec();
    fact::sort(&mut sorted);
    sorted
}

/// The facts that stand: (source, id, subject) names a fact, and the first of a name, in the order given, stands.
pub(crate) fn first_of_each_name(facts: &[Fact]) -> Vec<&Fact> {
    let mut seen = BTreeSet::new();
    facts.iter().filter(|fact| seen.insert((&fact.source, &fact.id, &fact.subject))).collect()
}

/// Each customer's facts, sorted by (time, source, id).
pub(crate) fn by_customer<'a>(facts: &[&'a Fact]) -> BTreeMap<&'a str, Vec<&'a Fact>> {
    let mut customers: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for fact in facts {
        customers.entry(&fact.subject).or_default().push(fact);
    }
    for facts in customers.values_mut() {
        facts.sort_by_key(|fact| fact::order_key(fact));
    }
    customers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::order;

    #[test]
    fn facts_come_by_time_subject_source_id() {
        let late = order("1", "a", "2010-01-02T00:00:00Z", "o1", "1.00");
        let other = order("2", "b", "2010-01-01T00:00:00Z", "o2", "1.00");
        let early = order("3", "a", "2010-01-01T00:00:00Z", "o3", "1.00");
        let sorted = in_total_order(&[late, other, early]);
        let ids: Vec<&str> = sorted.iter().map(|fact| fact.id.as_str()).collect();
        assert_eq!(ids, ["3", "2", "1"]);
    }

    #[test]
    fn the_first_of_a_name_stands() {
        // "(source, id, subject) names the event: the first in the log stands; the same with other content is a
        // conflict."
        let first = order("1", "a", "2010-01-01T00:00:00Z", "o1", "1.00");
        let conflict = order("1", "a", "2010-01-02T00:00:00Z", "o1", "2.00");
        let other_subject = order("1", "b", "2010-01-03T00:00:00Z", "o1", "3.00");
        let all = [conflict, first.clone(), first.clone(), other_subject.clone()];
        assert_eq!(first_of_each_name(&in_total_order(&all)), [&first, &other_subject]);
    }
}
