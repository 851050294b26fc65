//! A schedule that fails, made small: operations are left out, then those that are left made simpler.

use super::{Scenario, attempt};

/// Runs that making small may take at most: what is found until then is small enough to think about.
const MOST_RUNS: usize = 1_500;

/// The smallest list found that fails, whatever for, and what it fails for.
///
/// # Panics
/// If the list doesn't fail: then a run isn't determined by its operations.
pub fn shrink<S: Scenario>(scenario: &S, operations: Vec<S::Operation>) -> (Vec<S::Operation>, String) {
    let Err(reason) = attempt(scenario, &operations).verdict else {
        panic!("the schedule failed once and not again: a run isn't determined by its operations");
    };
    let mut shrinking = Shrinking { scenario, best: operations, reason, runs: 0 };
    loop {
        let before = shrinking.best.clone();
        shrinking.leave_out();
        shrinking.simplify();
        if shrinking.best == before || shrinking.is_tired() {
            return (shrinking.best, shrinking.reason);
        }
    }
}

struct Shrinking<'a, S: Scenario> {
    scenario: &'a S,
    best: Vec<S::Operation>,
    reason: String,
    runs: usize,
}

impl<S: Scenario> Shrinking<'_, S> {
    fn is_tired(&self) -> bool {
        self.runs >= MOST_RUNS
    }

    /// Takes the list if it fails too.
    fn take(&mut self, candidate: Vec<S::Operation>) -> bool {
        self.runs += 1;
        let Err(reason) = attempt(self.scenario, &candidate).verdict else { return false };
        (self.best, self.reason) = (candidate, reason);
        true
    }

    /// Leaves out stretches: halves first, single operations last.
    fn leave_out(&mut self) {
        let mut length = self.best.len().div_ceil(2);
        while length > 0 && !self.is_tired() {
            let mut at = 0;
            while at < self.best.len() && !self.is_tired() {
                let mut candidate = self.best.clone();
                candidate.drain(at..(at + length).min(self.best.len()));
                if !self.take(candidate) {
                    at += length;
                }
            }
            length /= 2;
        }
    }

    /// Replaces operations by simpler ones.
    fn simplify(&mut self) {
        for at in 0..self.best.len() {
            while !self.is_tired() {
                let simpler = self.scenario.simpler(&self.best[at]);
                let taken = simpler.into_iter().any(|operation| {
                    let mut candidate = self.best.clone();
                    candidate[at] = operation;
                    self.take(candidate)
                });
                if !taken {
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Run, explore};
    use super::*;

    /// Fails if a number above 10 stands before a number above 20.
    struct Numbers;

    impl Scenario for Numbers {
        type Operation = u64;

        fn plan(&self, seed: u64) -> Vec<u64> {
            (0..50).map(|step| (seed * 7 + step * 13) % 31).collect()
        }

        fn run(&self, operations: &[u64]) -> Run {
            let first = operations.iter().position(|number| *number > 10).unwrap_or(operations.len());
            let fails = operations.iter().skip(first + 1).any(|number| *number > 20);
            let verdict = if fails { Err("above 20 behind above 10".to_owned()) } else { Ok(()) };
            Run { verdict, taken: BTreeMap::from([("numbers", operations.len() as u64)]), trace: 0 }
        }

        fn simpler(&self, operation: &u64) -> Vec<u64> {
            operation.checked_sub(1).into_iter().collect()
        }
    }

    #[test]
    fn what_fails_is_found_and_made_as_small_as_can_be() {
        let failure = explore(&Numbers, 100).failure.unwrap();
        assert_eq!((failure.seed, failure.operations.as_slice()), (0, &[11, 21][..]));
    }

    #[test]
    fn what_holds_is_run_for_every_seed() {
        struct Good;
        impl Scenario for Good {
            type Operation = u64;
            fn plan(&self, seed: u64) -> Vec<u64> {
                vec![seed]
            }
            fn run(&self, _operations: &[u64]) -> Run {
                Run { verdict: Ok(()), taken: BTreeMap::from([("nothing", 1)]), trace: 0 }
            }
            fn simpler(&self, _operation: &u64) -> Vec<u64> {
                Vec::new()
            }
        }
        let report = explore(&Good, 100);
        assert_eq!((report.runs, report.taken["nothing"], report.failure.is_none()), (100, 100, true));
    }
}
