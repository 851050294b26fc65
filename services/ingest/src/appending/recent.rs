//! The events acknowledged last, to drop what is sent twice. A courtesy: the fold is where it is exact.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// How many events one of the two generations holds.
const GENERATION: usize = 500_000;

/// Identity and content of the last half to one million events: two generations, of which the older one is forgotten
/// when the younger is full. Some 40 bytes an event.
#[derive(Default)]
pub(crate) struct Recent {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u128, u64>,
    old: HashMap<u128, u64>,
}

impl Recent {
    /// True if that event, with that content, was acknowledged lately.
    pub(crate) fn knows(&self, identity: u128, content: u64) -> bool {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let found = generations.young.get(&identity).or_else(|| generations.old.get(&identity));
        found == Some(&content)
    }

    /// Notes events that were acknowledged. Of two with one name the first stands, as in the fold.
    pub(crate) fn note(&self, events: &[(u128, u64)]) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        for (identity, content) in events {
            if !generations.old.contains_key(identity) {
                generations.young.entry(*identity).or_insert(*content);
            }
            if generations.young.len() >= GENERATION {
                generations.old = std::mem::take(&mut generations.young);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_content_stands() {
        let recent = Recent::default();
        recent.note(&[(1, 10), (1, 11)]);
        assert!(recent.knows(1, 10));
        assert!(!recent.knows(1, 11));
        assert!(!recent.knows(2, 10));
    }

    #[test]
    fn remembers_a_generation_at_least() {
        let recent = Recent::default();
        let events: Vec<(u128, u64)> = (0..1_200_000).map(|number| (number, 7)).collect();
        recent.note(&events);
        assert!(recent.knows(1_199_999, 7));
        assert!(recent.knows(700_000, 7));
        assert!(!recent.knows(0, 7));
    }
}
