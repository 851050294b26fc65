//! Looking ahead: what is known of customers is touched before their facts are folded.
//!
//! Customers order in no order, and a partition's state is larger than any cache: each fact waits a dozen times for memory,
//! one wait after the other, since each place is found at the one before. Of several customers at once the waits overlap.

use std::hint::black_box;

use smallvec::SmallVec;

use super::Scoring;
use crate::fold::AHEAD;

impl Scoring {
    /// Touches what the next facts of these customers will look at.
    pub(crate) fn look_ahead_at<'a>(&self, subjects: impl Iterator<Item = &'a str>) {
        let known: SmallVec<[u32; AHEAD]> =
            subjects.filter_map(|subject| Some(self.customers.get_index_of(subject)? as u32)).collect();
        self.touch(&known);
    }

    /// Touches what is known of these customers.
    pub(crate) fn touch(&self, customers: &[u32]) {
        let mut touched = 0;
        for at in customers.iter().map(|at| *at as usize) {
            let Some((_, customer)) = self.customers.get_index(at) else { continue };
            touched ^= customer.ledger.touched() ^ self.sweep.touched(at);
            for window in &customer.sales {
                touched ^= window.breadth.as_ref().map_or(0, |breadth| breadth.touched());
            }
            for ranked in self.ranked.values() {
                touched ^= ranked.members.touched(at, ranked.value(customer));
            }
        }
        // Or the compiler sees that nobody needs it.
        black_box(touched);
    }
}
