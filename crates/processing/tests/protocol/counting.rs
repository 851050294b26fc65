//! A fold whose outputs tell its state: it counts by key, and says each count.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use tiermesh_domain::fold::{Effect, Fold, FoldError, Packed};
use tiermesh_event_log::{
    Headers, NewRecord,
    topics::{CHURN_SIGNALS, CUSTOMER_EVENTS, TIER_CHANGES},
};
use tiermesh_processing::Processor;
use tiermesh_proto::v1::{LossSignal, TierChange};

pub(crate) const SERVICE: &str = "counting";
pub(crate) const INPUT: &str = CUSTOMER_EVENTS.name;
pub(crate) const COUNTS: &str = TIER_CHANGES.name;
pub(crate) const THIRDS: &str = CHURN_SIGNALS.name;

/// What is counted.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Word {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    /// In how many policies, beside the first, it is said: in no good order.
    #[prost(uint32, tag = "2")]
    pub(crate) echoes: u32,
    /// Ids of earlier words that it is said to rest on.
    #[prost(string, repeated, tag = "3")]
    pub(crate) rests_on: Vec<String>,
}

impl Word {
    pub(crate) fn record(&self) -> NewRecord {
        NewRecord { key: self.key.clone().into(), value: self.encode_to_vec().into(), headers: Headers::new() }
    }
}

/// A word for each number, of few keys.
pub(crate) fn words(numbers: std::ops::Range<u64>) -> Vec<NewRecord> {
    numbers
        .map(|number| {
            let (key, echoes) = (format!("key-{}", number % 7), u32::from(number.is_multiple_of(11)));
            Word { key, echoes, ..Word::default() }.record()
        })
        .collect()
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    counts: BTreeMap<String, u64>,
    changed: BTreeSet<String>,
    /// In this round.
    packed: BTreeSet<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Saved {
    #[prost(message, repeated, tag = "1")]
    counts: Vec<Count>,
}

#[derive(Clone, PartialEq, Message)]
struct Count {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(uint64, tag = "2")]
    count: u64,
}

impl Counts {
    fn pack(&self, keys: &BTreeSet<String>) -> Vec<u8> {
        let count = |key: &String| Count { key: key.clone(), count: self.counts[key] };
        Saved { counts: keys.iter().map(count).collect() }.encode_to_vec()
    }
}

impl Fold for Counts {
    type Input = Word;

    fn apply(&mut self, word: &Word, effects: &mut Vec<Effect>) -> Result<(), FoldError> {
        let count = self.counts.entry(word.key.clone()).or_default();
        *count += 1;
        self.changed.insert(word.key.clone());
        if count.is_multiple_of(3) {
            effects.push(Effect::SignalChanged(Box::new(LossSignal {
                customer: word.key.clone(),
                detector: "thirds".to_owned(),
                observed: *count as i64,
                ..LossSignal::default()
            })));
        }
        for echo in (0..=word.echoes).rev() {
            effects.push(Effect::TierChanged(Box::new(TierChange {
                customer: word.key.clone(),
                policy: format!("policy-{}", (echo * 7) % (word.echoes + 1)),
                to: count.to_string(),
                events: word.rests_on.clone(),
                ..TierChange::default()
            })));
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.changed.clear();
        self.packed.clear();
        self.pack(&self.counts.keys().cloned().collect())
    }

    /// What changed, and the next that wasn't packed in this round.
    fn delta(&mut self) -> Packed {
        let mut keys = std::mem::take(&mut self.changed);
        self.packed.extend(keys.iter().cloned());
        if let Some(key) = self.counts.keys().find(|key| !self.packed.contains(*key)) {
            self.packed.insert(key.clone());
            keys.insert(key.clone());
        }
        let round_complete = self.counts.keys().all(|key| self.packed.contains(key));
        if round_complete {
            self.packed.clear();
        }
        Packed { bytes: self.pack(&keys), round_complete }
    }

    fn load(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        for segment in segments {
            let saved = Saved::decode(segment.as_slice()).map_err(|error| FoldError::Corrupt(error.to_string()))?;
            self.counts.extend(saved.counts.into_iter().map(|known| (known.key, known.count)));
        }
        Ok(())
    }
}

/// Folds words to counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counting;

impl Processor for Counting {
    type Fold = Counts;

    fn service(&self) -> &'static str {
        SERVICE
    }

    fn input(&self) -> &'static str {
        INPUT
    }

    fn outputs(&self, partition: u32) -> Vec<(&'static str, u32)> {
        vec![(COUNTS, partition), (THIRDS, partition)]
    }

    fn fold(&self) -> Counts {
        Counts::default()
    }
}
