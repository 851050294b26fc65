//! `tiermesh topics`: what topics there should be, and how those there are differ.

use std::process::ExitCode;

use comfy_table::Table;
use tiermesh_event_log::{
    LogError, TopicDifference,
    topics::{DEFAULT_PARTITIONS, all},
};
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
    let differences = match args.create {
        true => log.create_topics(&topics).await.map_err(|error| not_created(&error, &args))?,
        false => log.check_topics(&topics).await?,
    };
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
        for hint in hints(&differences, &args) {
            println!("{hint}");
        }
    }
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}

/// What to do about differences.
fn hints(differences: &[TopicDifference], args: &Args) -> Vec<String> {
    let any = |found: &dyn Fn(&TopicDifference) -> bool| differences.iter().any(found);
    let mut hints = Vec::new();
    if any(&|difference| difference.what == "missing") && !args.create {
        hints.push(format!("To make what is missing: tiermesh topics {} --create", options(args)));
    }
    if any(&|difference| difference.what == "partitions") {
        hints.push(
            "The number of partitions can't be changed, since customers would move: if the mesh was made with \
                    another, say so with --partitions."
                .to_owned(),
        );
    }
    if any(&|difference| difference.what != "missing" && difference.what != "partitions") {
        hints.push(
            "Settings of topics that exist are for Kafka's own tools to change (kafka-configs.sh --alter).".to_owned(),
        );
    }
    hints
}

/// The options that were given, to be repeated. Properties may hold passwords.
fn options(args: &Args) -> String {
    let kafka = args.kafka.kafka.as_deref().unwrap_or("HOST:9092");
    let mut options = format!(
        "--kafka {kafka} --partitions {} --replication {} --min-in-sync {}",
        args.partitions, args.replication, args.min_in_sync
    );
    if !args.kafka.kafka_property.is_empty() {
        options.push_str(" --kafka-property …");
    }
    options
}

/// Why topics could not be made, and what to do about it.
fn not_created(error: &LogError, args: &Args) -> String {
    let text = error.to_string();
    let few = ["InvalidReplicationFactor", "INVALID_REPLICATION_FACTOR", "Replication factor", "replication factor"];
    if few.iter().any(|word| text.contains(word)) {
        let factor = args.replication;
        return format!(
            "{text}; the cluster has fewer brokers than the {factor} copies asked for: with a single broker say \
             --replication 1 --min-in-sync 1"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(more: &[&str]) -> Args {
        Command::try_parse_from([&["topics", "--kafka", "k:9092"], more].concat()).unwrap().args
    }

    fn difference(what: &str) -> TopicDifference {
        let text = str::to_owned;
        TopicDifference { topic: text("t"), what: text(what), expected: text("1"), found: text("2") }
    }

    #[test]
    fn hints_repeat_the_options_but_for_secrets() {
        let args = args(&["--partitions", "8", "--replication", "1", "--kafka-property", "sasl.password=secret"]);
        let hint = hints(&[difference("missing")], &args).concat();
        assert!(hint.contains("--kafka k:9092 --partitions 8 --replication 1 --min-in-sync 2"), "{hint}");
        assert!(!hint.contains("secret") && hint.ends_with("--create"), "{hint}");
        assert!(hints(&[difference("partitions")], &args).concat().contains("--partitions"));
        assert!(hints(&[difference("retention.ms")], &args).concat().contains("kafka-configs"));
    }

    #[test]
    fn too_few_brokers_are_answered_with_what_to_say() {
        let error = LogError::Unavailable("creating topic `control`: InvalidReplicationFactor".to_owned());
        assert!(not_created(&error, &args(&["--create"])).contains("--replication 1 --min-in-sync 1"));
    }
}
