//! A partition as a queue: facts come at random, each takes its time, and at every boundary all wait for what the tick
//! and its cut-points take. Simulated, one event after the other.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// What is shown.
pub const COLUMNS: [(&str, &str, usize); 6] = [
    ("rate", "facts/s at the peak", 2),
    ("burst", "a day's work at one boundary", 1),
    ("day", "then the longest wait", 1),
    ("half", "facts/s at half of what it can", 0),
    ("p99", "then p99", 3),
    ("max", "then the longest", 2),
];

/// One partition.
#[derive(Debug, Clone, Copy)]
pub struct Partition {
    /// Facts a second.
    pub per_second: f64,
    /// What one takes, in µs.
    pub service_us: f64,
    /// What a boundary takes, in µs.
    pub burst_us: f64,
}

/// How long facts waited before they were folded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waits {
    /// 99 of 100 waited no longer.
    pub p99_ms: f64,
    /// None waited longer.
    pub greatest_ms: f64,
}

const MINUTE_US: f64 = 60e6;
/// Minutes of a day.
const BOUNDARIES_A_DAY: f64 = 1_440.0;

impl Partition {
    /// When a day's work is done in its minutes.
    pub fn minute_by_minute(self) -> Self {
        Self { burst_us: self.burst_us / BOUNDARIES_A_DAY, ..self }
    }

    /// So many seconds.
    pub fn simulate(&self, seconds: u64) -> Waits {
        let mut random = StdRng::seed_from_u64(11);
        let end = seconds as f64 * 1e6;
        let mut gap = || -random.random_range(f64::MIN_POSITIVE..1.0_f64).ln() / self.per_second * 1e6;
        let (mut arrival, mut boundary, mut free) = (gap(), MINUTE_US, 0.0_f64);
        let mut waits = Vec::new();
        while arrival < end {
            while boundary <= arrival {
                free = free.max(boundary) + self.burst_us;
                boundary += MINUTE_US;
            }
            let begins = free.max(arrival);
            waits.push(begins - arrival);
            free = begins + self.service_us;
            arrival += gap();
        }
        waits.sort_by(f64::total_cmp);
        let at = |share: f64| waits.get(((waits.len() as f64 * share) as usize).min(waits.len().saturating_sub(1)));
        let milliseconds = |wait: Option<&f64>| wait.copied().unwrap_or_default() / 1_000.0;
        Waits { p99_ms: milliseconds(at(0.99)), greatest_ms: milliseconds(waits.last()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_partition_makes_nobody_wait_and_a_boundary_makes_some() {
        let idle = Partition { per_second: 10.0, service_us: 1.0, burst_us: 0.0 };
        assert!(idle.simulate(600).greatest_ms < 0.01);
        // A tenth of every minute is taken by the boundary: a tenth of the facts wait, up to that long.
        let busy = Partition { burst_us: 6e6, ..idle };
        let waits = busy.simulate(600);
        assert!((5_000.0..=6_001.0).contains(&waits.greatest_ms), "{waits:?}");
        assert!((4_500.0..=6_001.0).contains(&waits.p99_ms), "{waits:?}");
        assert!(busy.minute_by_minute().simulate(600).greatest_ms < 5.0);
    }

    #[test]
    fn half_the_capacity_waits_as_theory_says() {
        // M/D/1 at ρ = 0.5: of all, 99 of 100 wait less than some four service times.
        let half = Partition { per_second: 500.0, service_us: 1_000.0, burst_us: 0.0 };
        let waits = half.simulate(2_000);
        assert!((2.5..=4.5).contains(&waits.p99_ms), "{waits:?}");
    }
}
