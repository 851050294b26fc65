//! `recovery`: a million customers, `kill -9` under load, and how long until scoring says something new and right.

use crate::{
    Failure, binary,
    crash::crash,
    orders::{Plan, Skew},
    population::Population,
    results::{Results, Table},
    run::Run,
};

/// Whom it has to know again.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Customers.
    #[arg(long, default_value_t = 1_000_000)]
    customers: u32,
    /// Orders of each, on average.
    #[arg(long, default_value_t = 5)]
    orders_each: u32,
}

/// Of the history.
const DAYS: u32 = 500;

/// Measures it: the history is drained once, then scoring is killed once a round.
///
/// # Errors
/// If scoring doesn't come back.
pub fn run(run: &Run, args: &Args) -> Result<Results, Failure> {
    let mut results = run.results("recovery");
    let customers = run.sized(u64::from(args.customers), 2_000);
    let orders = customers * u64::from(args.orders_each);
    let plan = Plan { orders, customers: customers as u32, skew: Skew::Uniform, days: DAYS };
    let population = Population::prepare(&binary::tiermesh(run)?, plan)?;
    let mut service = population.launch()?;
    let drained = population.drain(&mut service)?;
    let mut drain = Table::new(
        format!("Draining the second half of {orders} orders of {customers} customers"),
        [
            ("rate", "records/s", 0),
            ("cpu", "µs CPU/record", 2),
            ("saves", "packing saves, of that", 3),
            ("memory", "memory, MiB", 0),
        ],
    );
    drain.add("tiermesh serve scoring", drained, None)?;
    let mut recovery = Table::new(
        format!("kill -9 with {customers} customers, at 2,000 orders/s, until a new output"),
        [("first", "first partition, s", 2), ("all", "all partitions, s", 2), ("ready", "ready, s", 2)],
    );
    for number in 0..run.rounds() {
        let (restarted, figures) = crash(&population, service, number)?;
        service = restarted;
        recovery.add("tiermesh serve scoring", figures, None)?;
    }
    service.process.stop()?;
    results.settings.insert("customers".to_owned(), customers.to_string());
    results.settings.insert("orders".to_owned(), orders.to_string());
    results.tables.extend([drain, recovery]);
    Ok(results)
}
