//! `growth`: whether scoring's speed depends on how many customers it knows, and what each of them weighs.
//!
//! Speed is that of the second half of the orders: by then everybody is known, and nobody gets a first tier.

use crate::{
    Failure, binary,
    crash::crash,
    orders::{Plan, Skew},
    population::Population,
    results::{Results, Table},
    run::Run,
};

/// How many customers.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Numbers of customers, one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    customers: Vec<u32>,
    /// Orders, in all.
    #[arg(long, default_value_t = 4_000_000)]
    orders: u64,
}

/// Of the history.
const DAYS: u32 = 500;

const COLUMNS: [(&str, &str, usize); 8] = [
    ("rate", "records/s", 0),
    ("cpu", "µs CPU/record", 2),
    ("changes", "changes/record", 3),
    ("orders", "orders/customer", 0),
    ("bytes", "bytes/customer", 0),
    ("memory", "memory, MiB", 0),
    ("saves", "packing saves, of CPU", 3),
    ("all", "recovery, s", 2),
];

/// Measures it.
///
/// # Errors
/// If scoring fails.
pub fn run(run: &Run, args: &Args) -> Result<Results, Failure> {
    let mut results = run.results("growth");
    let binary = binary::tiermesh(run)?;
    let mut table = Table::new("Scoring by number of customers", COLUMNS);
    let orders = run.sized(args.orders, 20_000);
    for (at, customers) in args.customers.iter().enumerate() {
        let customers = run.sized(u64::from(*customers), 1_000 * 2_u64.pow(at as u32)) as u32;
        let plan = Plan { orders, customers, skew: Skew::Uniform, days: DAYS };
        let population = Population::prepare(&binary, plan)?;
        let mut service = population.launch()?;
        let mut figures = population.drain(&mut service)?;
        let (service, recovered) = crash(&population, service, 0)?;
        service.process.stop()?;
        figures.extend(recovered);
        table.add(&format!("{customers} customers"), figures, None)?;
    }
    results.settings.insert("orders".to_owned(), orders.to_string());
    results.tables.push(table);
    Ok(results)
}
