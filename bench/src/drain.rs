//! The floor: a bare consumer that reads `customer.events` to its end and counts, or decodes what it reads.
//!
//! It is a process of its own, started by the benchmark with this hidden subcommand.

use std::{io::Read, time::Duration};

use prost::Message as _;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use tiermesh_event_log::topics::CUSTOMER_EVENTS;
use tiermesh_proto::v1::CustomerEvent;

use crate::{Failure, cluster::consumer};

/// What to read.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Bootstrap servers.
    #[arg(long)]
    kafka: String,
    /// By partition, the offset to read to.
    #[arg(long, value_delimiter = ',')]
    ends: Vec<i64>,
    /// Decode each record.
    #[arg(long)]
    decode: bool,
}

/// Says `ready`, reads, says `done` and how many records, and waits until it may end.
///
/// # Errors
/// If Kafka can't be read.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut settings = consumer(&args.kafka, "bench-floor");
    // A queue that was full is filled again at once, not after a second: who decodes would wait for it otherwise.
    let consumer: BaseConsumer = settings.set("fetch.queue.backoff.ms", "5").create()?;
    let mut places = TopicPartitionList::new();
    for partition in 0..args.ends.len() as i32 {
        places.add_partition_offset(CUSTOMER_EVENTS.name, partition, Offset::Beginning)?;
    }
    println!("ready");
    consumer.assign(&places)?;
    let (mut left, mut records, mut facts) = (args.ends.len(), 0_u64, 0_u64);
    while left > 0 {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        records += 1;
        if args.decode {
            let event = CustomerEvent::decode(message.payload().unwrap_or_default())?;
            facts += u64::from(event.event.is_some());
        }
        if args.ends.get(message.partition() as usize) == Some(&(message.offset() + 1)) {
            left -= 1;
        }
    }
    println!("done {records} {facts}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
