//! `tiermesh topics`: what topics there should be, and how those there are differ.

use std::process::ExitCode;

use comfy_table::Table;
use tiermesh_event_log::topics::{DEFAULT_PARTITIONS, all};
use tiermesh_service_host::KafkaArgs;

use crate::{
    cli::CommandError,
    connect::{Replication, kafka},
};

/// Creates topics, or lists how they differ from what they should be.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh topics --kafka localhost:9092 --create")]
pub struct Args {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// Creates those that are missing. What exists is never changed.
    #[arg(long)]
    create: bool,
    /// Partitions of the mesh. They can't be changed later: customers would move.
    #[arg(long, default_value_t = DEFAULT_PARTITIONS, value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: u32,
    /// Copies of each partition; 3 in production.
    #[arg(long, default_value_t = 3)]
    replication: i32,
    /// Copies that must have a record before it is acknowledged; 2 in production.
    #[arg(long, default_value_t = 2)]
    min_in_sync: u32,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it: 0 if all is as it should be, 1 if something differs.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let replication = Replication { factor: args.replication, min_in_sync: args.min_in_sync };
    let log = kafka(&args.kafka, Some(replication))?;
    let topics = all(args.partitions);
    let differences = if args.create { log.create_topics(&topics).await? } else { log.check_topics(&topics).await? };
    if args.json {
        let rows: Vec<serde_json::Value> = differences
            .iter()
            .map(|d| serde_json::json!({"topic": d.topic, "what": d.what, "expected": d.expected, "found": d.found}))
            .collect();
        println!("{}", serde_json::to_string(&rows)?);
    } else if differences.is_empty() {
        println!("{} topics, all as they should be", topics.len());
    } else {
        let mut table = Table::new();
        table.set_header(["topic", "what", "should be", "is"]);
        for difference in &differences {
            table.add_row([&difference.topic, &difference.what, &difference.expected, &difference.found]);
        }
        println!("{table}");
        if !args.create {
            println!(
                "`tiermesh topics --create` creates what is missing; settings are for Kafka's own tools to change."
            );
        }
    }
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}
