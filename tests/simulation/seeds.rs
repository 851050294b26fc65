//! Thousands of seeds; and that a seed always gives the same run.

use std::time::Instant;

use tiermesh_testkit::simulation::{Scenario, attempt, explore, seeds};

use crate::{mesh::Mesh, operation::plan};

/// How many are run unless `TIERMESH_SEEDS` says otherwise.
const SEEDS: u64 = 2_000;

/// Faults that prove nothing unless they really happen.
const MUST_HAPPEN: [&str; 26] = [
    "assignment lost",
    "broadcast left half-written",
    "clock leapt",
    "clock of one process wrong",
    "consumer died between doing and noting",
    "delivered late",
    "delivered, and the answer held",
    "delivery failed",
    "delivery failed half-way",
    "died at a take-over",
    "died at another call",
    "died at sending",
    "died before a save",
    "died behind a save, unheard",
    "done again by a consumer",
    "event in conflict",
    "event sent again",
    "froze at a save",
    "froze at sending",
    "frozen process given up with partitions",
    "late fact",
    "said again",
    "store away",
    "store call failed before it took effect",
    "store call took effect, and its answer was lost",
    "zombie came back",
];

#[test]
fn whatever_happens_every_output_is_right_and_there_once() {
    let began = Instant::now();
    let report = explore(&Mesh, seeds(SEEDS));
    println!("{report}in {:?}", began.elapsed());
    assert!(report.failure.is_none(), "{}", report.failure.map(|failure| failure.to_string()).unwrap_or_default());
    if report.runs >= 500 {
        let missing: Vec<&str> = MUST_HAPPEN.into_iter().filter(|fault| !report.taken.contains_key(fault)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

#[test]
fn a_seed_always_gives_the_same_run() {
    for seed in [1, 2, 3, 5, 8, 13, 21, 34] {
        let (first, second) = (attempt(&Mesh, &Mesh.plan(seed)), attempt(&Mesh, &plan(seed)));
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(first.trace, attempt(&Mesh, &Mesh.plan(seed + 1)).trace);
    }
}
