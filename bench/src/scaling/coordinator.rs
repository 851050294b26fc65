//! The coordinator: the real fold, given what so many partitions report at each boundary.
//!
//! Customers are worth what a log-normal draw says. The first boundary brings all of them; at each further one as many
//! customers move to a greater value as have ordered since. Two policies ask for cut-points, by rank and by share.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, LogNormal};
use tiermesh_domain::{
    fold::Fold,
    rank::{Bucket, Coordinator, quantise},
};
use tiermesh_proto::v1::{BucketDelta, CutPointDemand, MetricSummary, Origin, Summary};

use crate::{
    Failure,
    processes::thread_nanoseconds,
    results::{Round, round},
};

/// What is measured.
pub const COLUMNS: [(&str, &str, usize); 6] = [
    ("partitions", "partitions", 0),
    ("buckets", "occupied values", 0),
    ("milliseconds", "CPU a boundary, ms", 2),
    ("first", "the first one, ms", 0),
    ("summary", "bytes of a summary", 0),
    ("saved", "its save, KiB", 0),
];

/// What a boundary cost.
pub struct Boundary {
    /// CPU of one boundary, on the average.
    pub milliseconds: f64,
    first_ms: f64,
    buckets: usize,
    /// The message of one report.
    pub summary_bytes: f64,
    saved_bytes: usize,
}

impl Boundary {
    /// As a row.
    pub fn round(&self, partitions: u32) -> Round {
        round([
            ("partitions", f64::from(partitions)),
            ("buckets", self.buckets as f64),
            ("milliseconds", self.milliseconds),
            ("first", self.first_ms),
            ("summary", self.summary_bytes),
            ("saved", self.saved_bytes as f64 / 1024.0),
        ])
    }
}

/// A minute.
const APART_MS: i64 = 60_000;
/// A typical value in minor units, and how far values are spread.
const VALUES: (f64, f64) = (11.0, 1.2);

/// Gives a coordinator so many boundaries of a mesh, after the first that brings everybody. `moves`: how many customers
/// change their value between two boundaries.
///
/// # Errors
/// If the coordinator doesn't take them.
pub fn measure(customers: u64, partitions: u32, moves: u64, boundaries: u64) -> Result<Boundary, Failure> {
    let (mut random, mut choose) = (StdRng::seed_from_u64(7), StdRng::seed_from_u64(8));
    let values = LogNormal::new(VALUES.0, VALUES.1).map_err(|error| format!("no log-normal values: {error}"))?;
    let mut draw = || values.sample(&mut random) as i64;
    let mut coordinator = Coordinator::default();
    let mut worth: Vec<i64> = (0..customers).map(|_| draw()).collect();
    let occupied: BTreeSet<i64> = worth.iter().map(|value| quantise(*value)).collect();
    let each = worth.len().div_ceil(partitions as usize).max(1);
    let mut first = 0;
    for partition in 0..partitions {
        let mut changes = Changes::default();
        let own = worth.chunks(each).nth(partition as usize).unwrap_or_default();
        own.iter().for_each(|value| changes.add(*value, 1));
        // One by one: all of them at once would take more memory than the coordinator.
        first += apply(&mut coordinator, &[changes.summary(partition, partitions, 1)])?.nanoseconds;
    }
    let mut summaries = Vec::new();
    for boundary in 2..=boundaries + 1 {
        for partition in 0..partitions {
            let mut changes = Changes::default();
            if let Some(own) = worth.chunks_mut(each).nth(partition as usize) {
                for _ in 0..share(moves, partitions, partition) {
                    let customer = choose.random_range(0..own.len());
                    changes.add(own[customer], -1);
                    own[customer] += draw() / 10;
                    changes.add(own[customer], 1);
                }
            }
            summaries.push(changes.summary(partition, partitions, boundary));
        }
    }
    let Applied { nanoseconds: spent, cut_points } = apply(&mut coordinator, &summaries)?;
    if cut_points != 2 * boundaries {
        return Err(format!("{boundaries} boundaries of two policies led to {cut_points} cut-points").into());
    }
    let bytes: usize = summaries.iter().map(prost::Message::encoded_len).sum();
    Ok(Boundary {
        milliseconds: spent as f64 / boundaries as f64 / 1e6,
        first_ms: first as f64 / 1e6,
        buckets: occupied.len(),
        summary_bytes: bytes as f64 / summaries.len() as f64,
        saved_bytes: coordinator.snapshot().len(),
    })
}

struct Applied {
    nanoseconds: u64,
    cut_points: u64,
}

/// Has the coordinator take summaries, in one piece: the kernel counts CPU in milliseconds.
fn apply(coordinator: &mut Coordinator, summaries: &[Summary]) -> Result<Applied, Failure> {
    let (mut effects, mut cut_points) = (Vec::new(), 0);
    let began = thread_nanoseconds()?;
    for summary in summaries {
        coordinator.apply(summary, &mut effects)?;
        cut_points += effects.len() as u64;
        effects.clear();
    }
    Ok(Applied { nanoseconds: thread_nanoseconds()? - began, cut_points })
}

/// Of so many, those of one partition.
fn share(all: u64, partitions: u32, partition: u32) -> u64 {
    let (each, rest) = (all / u64::from(partitions), all % u64::from(partitions));
    each + u64::from(u64::from(partition) < rest)
}

/// What a partition reports.
#[derive(Default)]
struct Changes(BTreeMap<i64, Bucket>);

impl Changes {
    fn add(&mut self, value: i64, count: i64) {
        let bucket = self.0.entry(quantise(value)).or_default();
        bucket.count += count;
        bucket.sum += i128::from(value) * i128::from(count);
    }

    fn summary(self, partition: u32, partitions: u32, sequence: u64) -> Summary {
        let demand = |policy: &str, rule: &str, below: &[i64]| CutPointDemand {
            policy: policy.to_owned(),
            version: 1,
            metric: METRIC.to_owned(),
            rule: rule.to_owned(),
            below_millionths: below.to_vec(),
        };
        let buckets = self.0.into_iter().filter(|(_, bucket)| !bucket.is_empty());
        let buckets =
            buckets.map(|(value, bucket)| BucketDelta { value, count: bucket.count, sum: bucket.sum.to_string() });
        Summary {
            origin: Some(Origin { service: "scoring".to_owned(), partition, offset: sequence, sequence }),
            boundary_ms: sequence as i64 * APART_MS,
            partitions,
            demands: vec![
                demand("abc", "share-above", &[700_000, 950_000]),
                demand("pyramid", "rank", &[50_000, 200_000]),
            ],
            metrics: vec![MetricSummary { metric: METRIC.to_owned(), buckets: buckets.collect() }],
            sources: Vec::new(),
            live: true,
        }
    }
}

const METRIC: &str = "net-sales/365/GBP";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_boundary_is_complete() {
        // Of one that isn't, the reports wait: a save grows with each.
        let (short, long) = (measure(500, 4, 40, 2).unwrap(), measure(500, 4, 40, 30).unwrap());
        assert!(short.buckets > 100 && short.summary_bytes > 100.0, "{} {}", short.buckets, short.summary_bytes);
        assert!(long.saved_bytes < 2 * short.saved_bytes, "{} {}", short.saved_bytes, long.saved_bytes);
    }
}
