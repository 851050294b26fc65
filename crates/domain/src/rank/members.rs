//! The members of a ranked population in one partition, by quantised value, and what changed since the last summary.

use tiermesh_proto::v1::MetricSummary;

use super::{
    Bucket, Histogram,
    quantise::{bucket_of, value_of},
};

/// One ranked metric in one partition.
///
/// Whoever needs places among all customers adds the partitions' buckets up; a partition itself only ever asks who
/// lies between two values. So a bucket for each quantised value holds its members in no order, each knows its place in
/// it, and to leave one is to let the last move up.
#[derive(Debug, Clone, Default)]
pub struct RankedMembers {
    /// By [`bucket_of`]; for values from 0 up, and for those below 0.
    upper: Vec<Members>,
    lower: Vec<Members>,
    /// Of each customer, the place in its bucket; of those in none it says nothing.
    places: Vec<u32>,
    /// The buckets that changed since the last summary.
    changed: Vec<i32>,
}

/// Who has one quantised value.
#[derive(Debug, Clone, Default)]
struct Members {
    customers: Vec<u32>,
    /// What changed since the last summary.
    change: Bucket,
    /// Whether it stands among those that changed.
    is_listed: bool,
}

impl RankedMembers {
    /// Moves a customer from one exact value to another; `None`: outside the population.
    pub fn shift(&mut self, customer: u32, from: Option<i64>, to: Option<i64>) {
        if from == to {
            return;
        }
        let (left, entered) = (from.map(bucket_of), to.map(bucket_of));
        if let (Some(value), Some(bucket)) = (from, left) {
            self.change(bucket, Bucket { count: -1, sum: -i128::from(value) });
        }
        if let (Some(value), Some(bucket)) = (to, entered) {
            self.change(bucket, Bucket { count: 1, sum: i128::from(value) });
        }
        if left == entered {
            return;
        }
        left.inspect(|bucket| self.leave(customer, *bucket));
        entered.inspect(|bucket| self.enter(customer, *bucket));
    }

    fn leave(&mut self, customer: u32, bucket: i32) {
        let place = self.places.get(customer as usize).map_or(usize::MAX, |place| *place as usize);
        let customers = &mut self.members(bucket).customers;
        if customers.get(place) == Some(&customer) {
            customers.swap_remove(place);
            if let Some(moved) = customers.get(place).copied() {
                self.places[moved as usize] = place as u32;
            }
        }
    }

    fn enter(&mut self, customer: u32, bucket: i32) {
        let customers = &mut self.members(bucket).customers;
        customers.push(customer);
        let place = customers.len() as u32 - 1;
        let at = customer as usize;
        if at >= self.places.len() {
            self.places.resize(at + 1, 0);
        }
        self.places[at] = place;
    }

    /// Some of what is looked at when a customer of that value moves: touched beforehand, it is near by then.
    pub(crate) fn touched(&self, customer: usize, value: Option<i64>) -> u64 {
        let place = |customer: usize| self.places.get(customer).map_or(0, |place| u64::from(*place));
        let last = value.and_then(|value| self.listed(bucket_of(value))?.customers.last());
        place(customer) ^ last.map_or(0, |last| place(*last as usize))
    }

    fn listed(&self, bucket: i32) -> Option<&Members> {
        match bucket {
            0.. => self.upper.get(bucket as usize),
            _ => self.lower.get(!bucket as usize),
        }
    }

    fn members(&mut self, bucket: i32) -> &mut Members {
        let (side, at) = match bucket {
            0.. => (&mut self.upper, bucket as usize),
            _ => (&mut self.lower, !bucket as usize),
        };
        if at >= side.len() {
            side.resize_with(at + 1, Members::default);
        }
        &mut side[at]
    }

    fn change(&mut self, bucket: i32, by: Bucket) {
        let members = self.members(bucket);
        members.change.count += by.count;
        members.change.sum += by.sum;
        if !members.is_listed {
            members.is_listed = true;
            self.changed.push(bucket);
        }
    }

    /// Customers with `from ≤ q < to`, in no order.
    pub fn between(&self, from: i64, to: i64) -> impl Iterator<Item = u32> + '_ {
        let (from, to) = (first_from(from), first_from(to));
        let upper = part(&self.upper, from.max(0), to.max(0));
        // Mirrored: the bucket beside 0 stands first.
        let lower = part(&self.lower, !to.min(0) + 1, !from.min(0) + 1);
        upper.iter().chain(lower).flat_map(|members| members.customers.iter().copied())
    }

    /// What changed since the last summary; from now on nothing has.
    pub fn take_changes(&mut self, metric: &str) -> MetricSummary {
        let changes = self.changes();
        self.forget_changes();
        changes.into_summary(metric)
    }

    /// What changed since the last summary, for a save.
    pub fn changes(&self) -> Histogram {
        let mut changed = self.changed.clone();
        changed.sort_unstable();
        let change = |bucket: i32| Some((value_of(bucket), self.listed(bucket)?.change));
        changed.into_iter().filter_map(change).collect()
    }

    /// Takes over what a save holds of changes since the last summary.
    pub fn restore_changes(&mut self, changes: Histogram) {
        self.forget_changes();
        self.add_changes(changes);
    }

    /// Reports these changes too, with the next summary.
    pub fn add_changes(&mut self, changes: Histogram) {
        for (value, change) in changes {
            self.change(bucket_of(value), change);
        }
    }

    fn forget_changes(&mut self) {
        for bucket in std::mem::take(&mut self.changed) {
            let members = self.members(bucket);
            (members.change, members.is_listed) = (Bucket::default(), false);
        }
    }
}

/// The first bucket whose value is not below.
fn first_from(value: i64) -> i32 {
    let bucket = bucket_of(value);
    bucket + i32::from(value_of(bucket) < value)
}

fn part(side: &[Members], from: i32, to: i32) -> &[Members] {
    let within = |at: i32| (at.max(0) as usize).min(side.len());
    side.get(within(from)..within(to)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::rank::quantise;

    proptest! {
        /// Against an ordered set of everybody, and a map of all changes.
        #[test]
        fn members_and_changes_are_those_of_an_ordered_set(
            moves in proptest::collection::vec((0_u32..12, proptest::option::of(-3_000_i64..70_000)), 1..200),
            bounds in (-4_000_i64..80_000, -4_000_i64..80_000),
            summary_at in 0_usize..200,
        ) {
            let mut members = RankedMembers::default();
            let mut values: BTreeMap<u32, i64> = BTreeMap::new();
            let mut changes: BTreeMap<i64, Bucket> = BTreeMap::new();
            for (number, (customer, to)) in moves.into_iter().enumerate() {
                if number == summary_at {
                    let expected = Histogram::from_iter(std::mem::take(&mut changes)).into_summary("m");
                    prop_assert_eq!(members.take_changes("m"), expected);
                }
                let from = values.remove(&customer);
                members.shift(customer, from, to);
                to.map(|to| values.insert(customer, to));
                for (value, sign) in [(from, -1), (to, 1)] {
                    let Some(value) = value else { continue };
                    let change = changes.entry(quantise(value)).or_default();
                    change.count += sign;
                    change.sum += i128::from(sign) * i128::from(value);
                }
                changes.retain(|_, change| !change.is_empty());
            }
            prop_assert_eq!(members.changes(), Histogram::from_iter(changes));
            for (from, to) in [(quantise(bounds.0), quantise(bounds.1)), (i64::MIN, quantise(bounds.0)), (quantise(bounds.1), i64::MAX)] {
                let found: BTreeSet<u32> = members.between(from, to).collect();
                let expected = values.iter().filter(|(_, value)| (from..to).contains(&quantise(**value)));
                prop_assert_eq!(found, expected.map(|(customer, _)| *customer).collect::<BTreeSet<u32>>());
            }
        }
    }
}
