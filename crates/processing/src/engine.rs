//! The engine: a fold, and the numbers of its effects. Pure: the same records give the same bytes to send.

use std::collections::BTreeMap;

use prost::Message;
use tiermesh_domain::fold::{Effect, Fold, FoldError};
use tiermesh_event_log::Record;
use tiermesh_proto::v1::Origin;

use crate::{
    outgoing::{Outgoing, encode, rests_on, route},
    trace_index::{TraceIndex, TracedFact},
};

/// A fold whose effects are numbered.
#[derive(Debug)]
pub struct Engine<F> {
    service: String,
    partition: u32,
    fold: F,
    /// The last sequence given, by output topic.
    sequences: BTreeMap<String, u64>,
    effects: Vec<Effect>,
    /// Of no influence on what is said.
    traces: TraceIndex,
}

/// What is packed into a segment beside the fold's own.
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(message, repeated, tag = "1")]
    sequences: Vec<TopicSequence>,
    #[prost(bytes = "vec", tag = "2")]
    fold: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    traces: Vec<TracedFact>,
}

#[derive(Clone, PartialEq, Message)]
struct TopicSequence {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(uint64, tag = "2")]
    sequence: u64,
}

/// Effects of one record, numbered.
pub type Numbered = Vec<Outgoing>;

/// Level 1: state is packed every second, and compresses by half at any level.
const ZSTD_LEVEL: i32 = 1;

impl<F: Fold> Engine<F> {
    /// The engine of one partition of one service, before the first record.
    pub fn new(service: &str, partition: u32, fold: F) -> Self {
        Self {
            service: service.to_owned(),
            partition,
            fold,
            sequences: BTreeMap::new(),
            effects: Vec::new(),
            traces: TraceIndex::default(),
        }
    }

    /// Folds one record; what it leads to, numbered in canonical order, is added to `outgoing`.
    ///
    /// # Errors
    /// [`FoldError`]: the engine is of no more use.
    pub fn apply(&mut self, record: &Record, outgoing: &mut Vec<Outgoing>) -> Result<(), FoldError> {
        let input = F::Input::decode(record.value.clone())
            .map_err(|error| FoldError::Corrupt(format!("the record can't be read: {error}")))?;
        self.fold.apply(&input, &mut self.effects)?;
        self.traces.note(record);
        self.effects.sort_by(|a, b| a.canonical_key().cmp(&b.canonical_key()));
        for effect in self.effects.drain(..) {
            let (topic, _) = route(&effect, self.partition);
            let last = match self.sequences.get_mut(topic) {
                Some(last) => last,
                None => self.sequences.entry(topic.to_owned()).or_default(),
            };
            *last += 1;
            let origin = Origin {
                service: self.service.clone(),
                partition: self.partition,
                offset: record.offset,
                sequence: *last,
            };
            // What a customer's own record leads to goes on in that record's trace: nothing has to be looked up.
            let about = if record.key.is_empty() { rests_on(&effect) } else { None };
            let rests_on = about.map(|(customer, facts)| self.traces.of_facts(customer, facts));
            outgoing.push(Outgoing { rests_on, ..encode(effect, origin) });
        }
        Ok(())
    }

    /// All of the state, packed and compressed.
    pub fn snapshot(&mut self) -> Vec<u8> {
        let (fold, traces) = (self.fold.snapshot(), self.traces.snapshot());
        self.pack(fold, traces)
    }

    /// What changed since the last snapshot or delta, packed and compressed.
    pub fn delta(&mut self) -> Vec<u8> {
        let (fold, traces) = (self.fold.delta(), self.traces.delta());
        self.pack(fold, traces)
    }

    /// Takes over the state of a snapshot and the deltas behind it.
    ///
    /// # Errors
    /// [`FoldError::Corrupt`] if they can't be read.
    pub fn load(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        let mut folds = Vec::with_capacity(segments.len());
        for segment in segments {
            let bytes = zstd::decode_all(segment.as_slice())
                .map_err(|error| FoldError::Corrupt(format!("a segment can't be decompressed: {error}")))?;
            let envelope = Envelope::decode(bytes.as_slice())
                .map_err(|error| FoldError::Corrupt(format!("a segment can't be read: {error}")))?;
            self.sequences = envelope.sequences.into_iter().map(|known| (known.topic, known.sequence)).collect();
            self.traces.load(envelope.traces);
            folds.push(envelope.fold);
        }
        self.fold.load(&folds)
    }

    /// The fold.
    pub fn fold(&self) -> &F {
        &self.fold
    }

    fn pack(&self, fold: Vec<u8>, traces: Vec<TracedFact>) -> Vec<u8> {
        let sequences = self.sequences.iter();
        let sequences =
            sequences.map(|(topic, sequence)| TopicSequence { topic: topic.clone(), sequence: *sequence }).collect();
        let bytes = Envelope { sequences, fold, traces }.encode_to_vec();
        zstd::encode_all(bytes.as_slice(), ZSTD_LEVEL)
            .expect("compressing memory to memory at a level that exists meets no error")
    }
}

#[cfg(test)]
mod tests {
    use tiermesh_proto::v1::{LossSignal, TierChange};

    use super::*;

    /// Says, of each change it is given, the change, a change that sorts before it, and a signal.
    #[derive(Debug, Default)]
    struct Echo;

    impl Fold for Echo {
        type Input = TierChange;

        fn apply(&mut self, change: &TierChange, effects: &mut Vec<Effect>) -> Result<(), FoldError> {
            let of =
                |policy: &str| Effect::TierChanged(Box::new(TierChange { policy: policy.into(), ..change.clone() }));
            let signal = LossSignal { customer: change.customer.clone(), ..LossSignal::default() };
            effects.extend([of("z"), Effect::SignalChanged(Box::new(signal)), of("a")]);
            Ok(())
        }

        fn snapshot(&mut self) -> Vec<u8> {
            Vec::new()
        }

        fn delta(&mut self) -> Vec<u8> {
            Vec::new()
        }

        fn load(&mut self, _segments: &[Vec<u8>]) -> Result<(), FoldError> {
            Ok(())
        }
    }

    fn said(engine: &mut Engine<Echo>, offset: u64) -> Vec<(&'static str, u64, String)> {
        let change = TierChange { customer: "c".to_owned(), ..TierChange::default() };
        let value = change.encode_to_vec().into();
        let mut outgoing = Vec::new();
        engine.apply(&Record { offset, key: "c".into(), value, headers: Vec::new() }, &mut outgoing).unwrap();
        let id =
            |out: &Outgoing| out.record.headers.iter().find(|header| header.name == "ce_id").unwrap().value.clone();
        outgoing.iter().map(|out| (out.topic, out.sequence, id(out))).collect()
    }

    #[test]
    fn each_topic_has_its_own_numbers() {
        let mut engine = Engine::new("echo", 3, Echo);
        let first = [("churn.signals", 1, "3-7-1"), ("tier.changes", 1, "3-7-1"), ("tier.changes", 2, "3-7-2")];
        assert_eq!(said(&mut engine, 7), first.map(|(topic, sequence, id)| (topic, sequence, id.to_owned())));
        let second = [("churn.signals", 2, "3-9-2"), ("tier.changes", 3, "3-9-3"), ("tier.changes", 4, "3-9-4")];
        assert_eq!(said(&mut engine, 9), second.map(|(topic, sequence, id)| (topic, sequence, id.to_owned())));
    }

    #[test]
    fn numbers_go_on_after_a_save() {
        let mut engine = Engine::new("echo", 0, Echo);
        said(&mut engine, 1);
        let mut segments = vec![engine.snapshot()];
        said(&mut engine, 2);
        segments.push(engine.delta());
        let mut loaded = Engine::new("echo", 0, Echo);
        loaded.load(&segments).unwrap();
        assert_eq!(said(&mut loaded, 3), said(&mut engine, 3));
    }

    #[test]
    fn what_is_no_record_or_segment_is_refused() {
        let mut engine = Engine::new("echo", 0, Echo);
        let record = Record { offset: 1, key: "".into(), value: "\u{ff}".into(), headers: Vec::new() };
        assert!(matches!(engine.apply(&record, &mut Vec::new()), Err(FoldError::Corrupt(_))));
        assert!(matches!(engine.load(&[b"no segment".to_vec()]), Err(FoldError::Corrupt(_))));
    }
}
