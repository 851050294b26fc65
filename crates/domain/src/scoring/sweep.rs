//! Whom a segment of a save holds: who changed, and in turn some who didn't.
//!
//! Without the turn, the oldest segment would be needed for ever: for the one customer who never changed. A round takes
//! everybody once, in the order of their numbers, and who is packed whole because of a change needn't be taken again.

use std::ops::BitOrAssign;

/// Whom the next segment holds.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Those who changed since the last segment.
    changed: Vec<u32>,
    /// Of each customer, whether it changed since the last segment, and whether it was packed whole in this round.
    marks: Vec<u8>,
    /// Everybody before was packed whole in this round.
    next: u32,
    /// Whether the next segment has to hold everybody: what was loaded is of an older form.
    pub(crate) holds_all: bool,
}

const CHANGED: u8 = 1;
const WHOLE: u8 = 2;

impl Sweep {
    /// A customer changed.
    pub(crate) fn changed(&mut self, customer: u32) {
        let mark = self.mark(customer);
        if *mark & CHANGED == 0 {
            mark.bitor_assign(CHANGED);
            self.changed.push(customer);
        }
    }

    /// A customer was packed whole.
    pub(crate) fn packed_whole(&mut self, customer: u32) {
        self.mark(customer).bitor_assign(WHOLE);
    }

    /// Those who changed since the last segment, by number; from now on nobody did.
    pub(crate) fn take_changed(&mut self) -> Vec<u32> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        for customer in &changed {
            *self.mark(*customer) &= !CHANGED;
        }
        changed
    }

    /// The next, of so many, who wasn't packed whole in this round; `None`: everybody was, and the next round begins.
    pub(crate) fn next(&mut self, customers: usize) -> Option<u32> {
        while (self.next as usize) < customers {
            let customer = self.next;
            self.next += 1;
            if *self.mark(customer) & WHOLE == 0 {
                return Some(customer);
            }
        }
        self.begin_round();
        None
    }

    /// Everybody is to be packed whole anew.
    pub(crate) fn begin_round(&mut self) {
        self.next = 0;
        self.marks.iter_mut().for_each(|mark| *mark &= !WHOLE);
    }

    /// What is noted of a customer: see `look_ahead`.
    pub(crate) fn touched(&self, customer: usize) -> u64 {
        self.marks.get(customer).map_or(0, |mark| u64::from(*mark))
    }

    fn mark(&mut self, customer: u32) -> &mut u8 {
        let at = customer as usize;
        if at >= self.marks.len() {
            self.marks.resize(at + 1, 0);
        }
        &mut self.marks[at]
    }
}
