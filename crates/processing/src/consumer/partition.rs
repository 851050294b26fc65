//! One partition of a consumer while it is owned: read, drop by mark, hand over, one batch at a time.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Gauge},
};
use tiermesh_event_log::{Assignment, EventLog, Extent, LogError, Record};
use tiermesh_store::Place;
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use super::{
    Batch, ConsumeError, Consumer,
    marks::{Gap, unmarked},
};
use crate::{error::RunError, partition::Order};

/// How many records are taken at a time.
const BATCH: usize = 4_000;
/// How long a batch may go on once the partition is to be given up. Cut off then: its transaction decides.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);
/// How often is told how far behind the partition is.
const TELL_LAG_EVERY: Duration = Duration::from_secs(5);

/// Takes a partition until told otherwise.
pub(super) async fn take_partition<C: Consumer>(
    consumer: Arc<C>,
    log: Arc<dyn EventLog>,
    topic: &'static str,
    assignment: Assignment,
    mut orders: watch::Receiver<Order>,
) -> Result<(), RunError> {
    let partition = assignment.partition;
    let beginning = async {
        let place = consumer.place(topic, partition).await?;
        Ok::<_, RunError>((place, log.extent(topic, partition).await?))
    };
    let (place, extent) = tokio::select! {
        biased;
        begun = beginning => begun?,
        // Revoked while still loading.
        _ = stopped(&mut orders) => return Ok(()),
    };
    let from = beginning_of(consumer.name(), topic, partition, place.as_ref(), &extent)?;
    let mut reader = assignment.starter.start(from).await?;
    info!(consumer = consumer.name(), topic, partition, next_offset = from, end = extent.end, "partition taken over");
    let instruments = Instruments::new(consumer.name(), topic, partition);
    let mut owned = OwnedPartition { consumer, topic, partition, place, extent };
    let mut tell_lag_at = Instant::now();
    loop {
        let records = tokio::select! {
            biased;
            _ = stopped(&mut orders) => return Ok(()),
            () = tokio::time::sleep_until(tell_lag_at) => {
                tokio::select! {
                    biased;
                    _ = stopped(&mut orders) => return Ok(()),
                    // A log that doesn't answer shows elsewhere.
                    extent = log.extent(topic, partition) => if let Ok(extent) = extent {
                        instruments.lag(extent.end.saturating_sub(owned.next_offset()));
                    },
                }
                tell_lag_at = Instant::now() + TELL_LAG_EVERY;
                continue;
            }
            records = reader.next(BATCH) => records?,
        };
        let count = records.len() as u64;
        let taking = owned.take(records);
        tokio::select! {
            biased;
            taken = taking => taken?,
            () = given_up(&mut orders) => {
                warn!(topic, partition, "partition given up in the midst of a batch; its next owner sees what was stored");
                return Ok(());
            }
        }
        instruments.taken(count);
    }
}

/// Where to begin reading: behind what was taken, in the log that it was taken from.
fn beginning_of(
    consumer: &str,
    topic: &str,
    partition: u32,
    place: Option<&Place>,
    extent: &Extent,
) -> Result<u64, RunError> {
    let Some(place) = place else { return Ok(extent.start) };
    let foreign = |what: String| {
        Err(RunError::ForeignPlace { consumer: consumer.to_owned(), topic: topic.to_owned(), partition, what })
    };
    if place.log_id != extent.log_id.0 {
        return foreign(format!("its log id is {}, that of the place {}", extent.log_id, place.log_id));
    }
    if place.next_offset > extent.end {
        return foreign(format!("it ends at {}, the place is at {}", extent.end, place.next_offset));
    }
    Ok(place.next_offset)
}

/// Resolves when the partition is to be given up, and says how.
async fn stopped(orders: &mut watch::Receiver<Order>) -> Order {
    // Nobody is left to give orders: the consumer stops.
    orders.wait_for(|order| *order != Order::Go).await.map_or(Order::Release, |order| *order)
}

/// Resolves when a batch that is being taken may go on no longer.
async fn given_up(orders: &mut watch::Receiver<Order>) {
    if stopped(orders).await == Order::Release {
        tokio::time::sleep(RELEASE_WITHIN).await;
    }
}

struct OwnedPartition<C> {
    consumer: Arc<C>,
    topic: &'static str,
    partition: u32,
    place: Option<Place>,
    extent: Extent,
}

impl<C: Consumer> OwnedPartition<C> {
    fn next_offset(&self) -> u64 {
        // Offset 0 is the birth record, which nobody takes.
        self.place.as_ref().map_or(self.extent.start, |place| place.next_offset).max(1)
    }

    /// Hands records over. Of a batch with one that can't be read, those before it are taken all the same.
    async fn take(&mut self, records: Vec<Record>) -> Result<(), RunError> {
        let before = self.place.clone();
        match self.take_at_once(records.clone()).await {
            Err(RunError::Unreadable { .. }) if records.len() > 1 => {
                self.place = before;
                for record in records {
                    self.take_at_once(vec![record]).await?;
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn take_at_once(&mut self, records: Vec<Record>) -> Result<(), RunError> {
        let Some(last) = records.last() else { return Ok(()) };
        let mut after = self.place.clone().unwrap_or_default();
        after.log_id.clone_from(&self.extent.log_id.0);
        after.next_offset = last.offset + 1;
        // Offset 0 is the birth record: a log that was never cut begins there.
        let is_cut = self.extent.start > 1;
        let records = unmarked(&mut after.marks, is_cut, records).map_err(|gap| self.gap(gap))?;
        let batch = Batch {
            topic: self.topic,
            partition: self.partition,
            before: self.place.take(),
            after: after.clone(),
            records,
        };
        self.consumer.take(batch).await.map_err(|error| self.failure(error))?;
        self.place = Some(after);
        Ok(())
    }

    fn failure(&self, error: ConsumeError) -> RunError {
        match error {
            ConsumeError::Store(error) => RunError::Store(error),
            // Nothing was stored: it was the reading of a record that failed.
            ConsumeError::Log(error @ LogError::Corrupt(_)) => RunError::Unreadable {
                consumer: self.consumer.name().to_owned(),
                topic: self.topic.to_owned(),
                partition: self.partition,
                error,
            },
            ConsumeError::Log(error) => RunError::Log(error),
        }
    }

    fn gap(&self, gap: Gap) -> RunError {
        let Gap { offset, source, expected, found } = gap;
        let (consumer, topic) = (self.consumer.name().to_owned(), self.topic.to_owned());
        RunError::Gap { consumer, topic, partition: self.partition, offset, source_of: source, expected, found }
    }
}

/// What is told of a partition to whoever watches.
struct Instruments {
    records: Counter<u64>,
    lag: Gauge<u64>,
    of_topic: [KeyValue; 2],
    of_partition: [KeyValue; 3],
}

impl Instruments {
    fn new(consumer: &'static str, topic: &'static str, partition: u32) -> Self {
        let meter = global::meter("tiermesh");
        let (by, of) = (KeyValue::new("consumer", consumer), KeyValue::new("topic", topic));
        Self {
            records: meter.u64_counter("tiermesh_consumer_records_total").with_description("Records taken").build(),
            lag: meter
                .u64_gauge("tiermesh_consumer_lag_records")
                .with_description("Records that stand in the log and were not taken yet")
                .build(),
            of_partition: [by.clone(), of.clone(), KeyValue::new("partition", i64::from(partition))],
            of_topic: [by, of],
        }
    }

    fn taken(&self, records: u64) {
        self.records.add(records, &self.of_topic);
    }

    fn lag(&self, records: u64) {
        self.lag.record(records, &self.of_partition);
    }
}

impl Drop for Instruments {
    /// The partition is not ours any more: what waits in it is another's.
    fn drop(&mut self) {
        self.lag(0);
    }
}
