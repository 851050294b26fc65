//! A save of form 2, as the first release wrote it, loads to what folding its records gives, and folds on the same.
//!
//! The records hold every kind of fact that is counted, late and repeated and contradicting ones, a score card with
//! reviews, two versions of a relative policy with their cut-points, the end of history, a source that went quiet.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::fmt::Debug;

use prost::Message;
use tiermesh_domain::{
    fold::{Effect, Fold},
    rank::Coordinator,
    scoring::Scoring,
    signals::ChurnWarning,
};
use tiermesh_proto::v1::{CustomerEvent, Summary};

macro_rules! segments {
    ($name:literal) => {
        [
            include_bytes!(concat!("form-2/", $name, "-0")).to_vec(),
            include_bytes!(concat!("form-2/", $name, "-1")).to_vec(),
            include_bytes!(concat!("form-2/", $name, "-2")).to_vec(),
            include_bytes!(concat!("form-2/", $name, "-3")).to_vec(),
            include_bytes!(concat!("form-2/", $name, "-4")).to_vec(),
            include_bytes!(concat!("form-2/", $name, "-5")).to_vec(),
        ]
    };
}

/// How many events, and summaries, had been folded when the last segment was made.
const SAVED_AT: (usize, usize) = (1_208, 180);

fn records<M: Message + Default>(mut bytes: &[u8]) -> Vec<M> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        records.push(M::decode_length_delimited(&mut bytes).unwrap());
    }
    records
}

fn events() -> Vec<CustomerEvent> {
    records(include_bytes!("form-2/customer-events"))
}

fn fold<F: Fold>(fold: &mut F, records: &[F::Input]) -> Vec<Effect> {
    let mut effects = Vec::new();
    records.iter().for_each(|record| fold.apply(record, &mut effects).unwrap());
    effects
}

/// Loads the save, and folds the same records; then compares what both know, and what both say of the rest.
fn loads<F: Fold, K: PartialEq + Debug>(
    new: fn() -> F,
    segments: &[Vec<u8>],
    records: &[F::Input],
    at: usize,
    known: fn(&F) -> K,
) {
    let (mut folded, mut loaded) = (new(), new());
    fold(&mut folded, &records[..at]);
    loaded.load(segments).unwrap();
    assert_eq!(known(&loaded), known(&folded));
    // Saved anew, in the form of this release, it is the same still.
    let mut again = new();
    again.load(&[loaded.snapshot()]).unwrap();
    let expected = fold(&mut folded, &records[at..]);
    assert!(expected.len() > 20, "{}", expected.len());
    assert_eq!(fold(&mut loaded, &records[at..]), expected);
    assert_eq!(fold(&mut again, &records[at..]), expected);
    assert_eq!(known(&loaded), known(&folded));
    assert_eq!(known(&again), known(&folded));
}

#[test]
fn scoring() {
    loads(|| Scoring::new(1), &segments!("scoring"), &events(), SAVED_AT.0, Scoring::standings);
}

#[test]
fn churn_warning() {
    let known =
        |fold: &ChurnWarning| -> Vec<_> { (0..24).map(|number| fold.explain(&format!("customer-{number}"))).collect() };
    loads(|| ChurnWarning::new(1), &segments!("churn-warning"), &events(), SAVED_AT.0, known);
}

#[test]
fn cut_points() {
    let summaries: Vec<Summary> = records(include_bytes!("form-2/summaries"));
    loads(Coordinator::default, &segments!("cut-points"), &summaries, SAVED_AT.1, |_| ());
}
