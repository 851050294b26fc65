//! From costs to sizes: plain arithmetic, so that anyone can redo it.

use crate::{
    results::{Round, round},
    scaling::{coordinator::Boundary, costs::Costs},
};

/// What is computed.
pub const COLUMNS: [(&str, &str, usize); 11] = [
    ("rate", "events/s, average", 1),
    ("partitions", "partitions", 0),
    ("cores", "cores at the peak", 2),
    ("memory", "memory of scoring, GiB", 2),
    ("instances", "instances of scoring", 0),
    ("recovery", "load one instance, s", 1),
    ("database", "saves, GiB", 2),
    ("writes", "saves written, MiB/min", 2),
    ("log", "log a year, GiB", 1),
    ("overhead", "of it ticks, copies, summaries", 1),
    ("coordinator", "cut-points, ms CPU/min", 2),
];

/// The busiest hour against the average.
pub const PEAK: f64 = 10.0;
/// Facts are kept for good; this long is looked at.
const YEARS: f64 = 3.0;
/// Fewer gain nothing.
const FEWEST_PARTITIONS: u32 = 16;
/// One partition loads on one core: beyond this it is too long away.
const MOST_BYTES_OF_A_PARTITION: f64 = 512.0 * MIB;
/// State that one instance of two cores is given.
const MOST_BYTES_OF_AN_INSTANCE: f64 = 8.0 * GIB;
const CORES_OF_AN_INSTANCE: f64 = 2.0;
/// Policies in force that need cut-points.
const RELATIVE_POLICIES: f64 = 2.0;

const MIB: f64 = 1024.0 * 1024.0;
const GIB: f64 = 1024.0 * MIB;
const SECONDS_A_YEAR: f64 = 365.0 * 86_400.0;
const MINUTES_A_YEAR: f64 = 365.0 * 1_440.0;
const TICKS_A_MINUTE: f64 = 6.0;
/// What a save holds at least of customers who didn't change.
const LEAST_SWEPT: f64 = 64.0 * 1024.0;
/// The customer's id and places, with each piece that is added.
const BYTES_AROUND_ADDED: f64 = 40.0;

/// What a mesh takes.
#[derive(Debug, Clone, Copy)]
pub struct Mesh {
    customers: f64,
    /// On the average.
    pub events_per_second: f64,
    /// Of `customer.events`.
    pub partitions: u32,
    cores: f64,
    memory: f64,
    instances: f64,
    recovery_s: f64,
    saved: f64,
    written_a_minute: f64,
    facts_a_year_bytes: f64,
    /// Ticks and copies of cut-points.
    ticks_a_year_bytes: f64,
    /// Summaries, but for what they say.
    around_summaries_bytes: f64,
}

/// The mesh of so many customers, each with so many facts a year.
pub fn mesh(costs: &Costs, customers: u64, facts_a_year: u32) -> Mesh {
    let customers = customers as f64;
    let facts_each = f64::from(facts_a_year) * YEARS;
    let events_per_second = customers * f64::from(facts_a_year) / SECONDS_A_YEAR;
    // Scoring and churn-warning each fold all of it; the peak must find half of a core free.
    let cores = events_per_second * PEAK * (costs.scoring_us + costs.churn_warning_us) / 1e6;
    let memory = customers * costs.memory.of(facts_each);
    let by_state = (memory / MOST_BYTES_OF_A_PARTITION).ceil() as u32;
    let partitions = by_state.max((cores * 2.0).ceil() as u32).max(FEWEST_PARTITIONS).next_power_of_two();
    let by_memory = (memory / MOST_BYTES_OF_AN_INSTANCE).ceil();
    let instances = by_memory.max((cores / CORES_OF_AN_INSTANCE).ceil()).max(1.0);
    let packed = customers * costs.packed.of(facts_each);
    let of_partitions = f64::from(partitions);
    // Orders are packed as they are added. As much again of those to whom nothing happened, and some at each save at least,
    // until everybody is packed: so that old segments can go. Each tick is saved.
    let added = events_per_second * 60.0 * (costs.packed.fact + BYTES_AROUND_ADDED);
    let swept = added.max(LEAST_SWEPT * TICKS_A_MINUTE * of_partitions).min(TICKS_A_MINUTE * packed);
    let a_minute = TICKS_A_MINUTE * costs.tick_bytes + RELATIVE_POLICIES * costs.control_bytes;
    let facts_bytes = customers
        * f64::from(facts_a_year)
        * (costs.fact_bytes
            + costs.changes_per_fact * costs.change_bytes
            + costs.signals_per_fact * costs.signal_bytes);
    Mesh {
        customers,
        events_per_second,
        partitions,
        cores,
        memory,
        instances,
        recovery_s: customers * costs.load_us.of(facts_each) / 1e6 / instances / CORES_OF_AN_INSTANCE,
        // Two services; between two rounds there may be twice what is needed.
        saved: 2.0 * 2.0 * packed,
        written_a_minute: 2.0 * (added + swept),
        facts_a_year_bytes: facts_bytes,
        ticks_a_year_bytes: of_partitions * MINUTES_A_YEAR * a_minute,
        around_summaries_bytes: of_partitions * MINUTES_A_YEAR * costs.around_summary_bytes,
    }
}

impl Mesh {
    /// Customers of one partition.
    pub fn customers_per_partition(&self) -> f64 {
        self.customers / f64::from(self.partitions)
    }

    /// As a row, with what a boundary costs the coordinator.
    pub fn round(&self, boundary: &Boundary) -> Round {
        let said = f64::from(self.partitions) * MINUTES_A_YEAR * boundary.summary_bytes;
        let overhead = self.ticks_a_year_bytes + self.around_summaries_bytes + said;
        round([
            ("rate", self.events_per_second),
            ("partitions", f64::from(self.partitions)),
            ("cores", self.cores),
            ("memory", self.memory / GIB),
            ("instances", self.instances),
            ("recovery", self.recovery_s),
            ("database", self.saved / GIB),
            ("writes", self.written_a_minute / MIB),
            ("log", (self.facts_a_year_bytes + overhead) / GIB),
            ("overhead", overhead / GIB),
            ("coordinator", boundary.milliseconds),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::costs::PerFact;

    fn costs() -> Costs {
        Costs {
            scoring_us: 5.0,
            churn_warning_us: 5.0,
            memory: PerFact { customer: 500.0, fact: 50.0 },
            packed: PerFact { customer: 100.0, fact: 20.0 },
            load_us: PerFact { customer: 1.0, fact: 0.1 },
            fact_bytes: 200.0,
            tick_bytes: 100.0,
            control_bytes: 150.0,
            around_summary_bytes: 200.0,
            change_bytes: 400.0,
            changes_per_fact: 0.2,
            signal_bytes: 500.0,
            signals_per_fact: 0.01,
            boundary_us_per_customer: 0.1,
            from_throughput: false,
        }
    }

    #[test]
    fn a_million_customers_by_hand() {
        let mesh = mesh(&costs(), 1_000_000, 36);
        // 36 million facts a year, 1.14 a second; 108 facts each are 5,900 bytes: 5.5 GiB, 11 partitions of 512 MiB.
        assert!((mesh.events_per_second - 1.1416).abs() < 0.001, "{mesh:?}");
        assert!((mesh.memory - 5.9e9).abs() < 1.0, "{mesh:?}");
        assert_eq!((mesh.partitions, mesh.instances), (16, 1.0));
        // 68.5 facts a minute at 20 + 40 bytes; beside them 64 KiB at each of 6 saves of 16 partitions; two services.
        assert!((mesh.written_a_minute - 2.0 * (68.49 * 60.0 + 6.0 * 16.0 * 65_536.0)).abs() < 100.0, "{mesh:?}");
        // 11.8 µs to load each, on two cores.
        assert!((mesh.recovery_s - 5.9).abs() < 0.001, "{mesh:?}");
        // 16 partitions × 525,600 minutes × (6 × 100 + 2 × 150), and × 200.
        assert!((mesh.ticks_a_year_bytes - 16.0 * 525_600.0 * 900.0).abs() < 1.0, "{mesh:?}");
        assert!((mesh.around_summaries_bytes - 16.0 * 525_600.0 * 200.0).abs() < 1.0, "{mesh:?}");
    }

    #[test]
    fn memory_decides_before_cpu_does() {
        let mesh = mesh(&costs(), 10_000_000, 300);
        assert!(mesh.cores < 1.0 && mesh.instances > 10.0 && mesh.partitions >= 512, "{mesh:?}");
    }
}
