//! `scaling`: what a mesh of so many customers takes. Costs are measured here, one by one; what follows from them for
//! sizes that no single machine has is computed, and said to be.
//!
//! Measured: what an event costs the engines of scoring and churn-warning, what a customer and a fact weigh, how long
//! they take to load, how long each record is, what a boundary costs a partition and the coordinator. Computed:
//! partitions, instances, memory, database and log, by `model.rs`; waiting times, by a queue that is simulated.

mod coordinator;
mod costs;
mod model;
mod queue;

use crate::{
    Failure, Run,
    results::{Results, Table, round},
};

/// Sizes of what is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Customers of the histories that are folded.
    #[arg(long, default_value_t = 20_000)]
    customers: u32,
    /// The CPU that a record costs `serve scoring`, in µs, all in. Unless said otherwise as `throughput` found it, if it
    /// was run.
    #[arg(long, value_name = "MICROSECONDS")]
    scoring: Option<f64>,
}

/// Sizes that are computed.
const CUSTOMERS: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Facts of a customer in a year: one who orders every few weeks, and one who is heard of nearly every day.
const PACES: [u32; 2] = [36, 300];

/// Measures and computes it.
///
/// # Errors
/// A fold that doesn't take what was generated for it; a child that fails.
pub fn run(run: &Run, args: &Args) -> Result<Results, Failure> {
    let customers = run.sized(u64::from(args.customers), 1_000) as u32;
    let costs = costs::measure(run, customers, args.scoring)?;
    let mut results = run.results("scaling");
    results.settings.insert("customers".to_owned(), customers.to_string());
    results.tables.push(costs.table()?);

    let mut sizes = Table::new("What a mesh takes (computed)", model::COLUMNS);
    let mut coordinators = Table::new("The coordinator at each boundary (measured)", coordinator::COLUMNS);
    let mut boundaries = Vec::new();
    for pace in PACES {
        for customers in CUSTOMERS {
            let mesh = model::mesh(&costs, customers, pace);
            let name = format!("{} customers, {pace} facts a year", thousands(customers));
            let (customers, boundaries_measured) = (run.sized(customers, 20_000), run.sized(100, 10));
            let moves = mesh.events_per_second * 60.0;
            let boundary = coordinator::measure(customers, mesh.partitions, moves as u64, boundaries_measured)?;
            sizes.add(&name, mesh.round(&boundary), None)?;
            coordinators.add(&name, boundary.round(mesh.partitions), None)?;
            boundaries.push((name, mesh));
        }
    }
    results.tables.push(sizes);
    results.tables.push(coordinators);

    let mut waits = Table::new("How long a fact waits in its partition, ms (simulated)", queue::COLUMNS);
    for (name, mesh) in boundaries {
        let partition = queue::Partition {
            per_second: mesh.events_per_second * model::PEAK / f64::from(mesh.partitions),
            service_us: costs.scoring_us,
            burst_us: costs.boundary_us_per_customer * mesh.customers_per_partition(),
        };
        let half = queue::Partition { per_second: 0.5e6 / costs.scoring_us, ..partition.minute_by_minute() };
        let (whole_day, busy) = (partition.simulate(run.sized(86_400, 3_600)), half.simulate(run.sized(180, 61)));
        let figures = [
            ("rate", partition.per_second),
            ("burst", partition.burst_us / 1_000.0),
            ("day", whole_day.greatest_ms),
            ("half", half.per_second),
            ("p99", busy.p99_ms),
            ("max", busy.greatest_ms),
        ];
        waits.add(&name, round(figures), None)?;
    }
    results.tables.push(waits);
    results.notes.extend(costs.notes());
    Ok(results)
}

/// `10,000`, `1 million`.
fn thousands(number: u64) -> String {
    match number {
        1_000_000.. => format!("{} million", number / 1_000_000),
        _ => format!("{},000", number / 1_000),
    }
}
