//! The calendar queue: who is to be looked at next because time passed, and only they.

use std::collections::BTreeSet;

use crate::time::Millis;

/// Customers by the instant at which time alone may change something for them.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    due: BTreeSet<(Millis, u32)>,
}

impl FromIterator<(Millis, u32)> for Calendar {
    fn from_iter<I: IntoIterator<Item = (Millis, u32)>>(due: I) -> Self {
        Self { due: due.into_iter().collect() }
    }
}

impl Calendar {
    /// Moves a customer from one instant to another.
    pub fn reschedule(&mut self, customer: u32, from: Option<Millis>, to: Option<Millis>) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.due.remove(&(from, customer));
        }
        if let Some(to) = to {
            self.due.insert((to, customer));
        }
    }

    /// Takes those who are due at `now`, the longest due first.
    pub fn take_due(&mut self, now: Millis) -> impl Iterator<Item = u32> + '_ {
        std::iter::from_fn(move || {
            let first = *self.due.first()?;
            (first.0 <= now).then(|| self.due.pop_first()).flatten().map(|(_, at)| at)
        })
    }
}
