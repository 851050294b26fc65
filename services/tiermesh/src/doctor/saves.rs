//! Who keeps up: how far behind the log's end each fold and consumer is, how old its save, whether anybody has it.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use tiermesh_event_log::{
    EventLog,
    topics::{CUSTOMER_EVENTS, SCORING_SUMMARIES},
};
use tiermesh_store::SaveStore;

use super::{Args, Finding, State};
use crate::{cli::CommandError, connect::read_model_file};

/// A save this old, of a partition that isn't at its end, means that nobody moves it.
const OLD_MS: i64 = 30_000;

/// What came a moment ago, after long quiet, is saved within a second or two; and who consumes moves on meanwhile.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// Records that may wait at a look while everything is well.
const USUAL_LAG: u64 = 1_000;

/// Partitions that are asked about at the same time.
const AT_ONCE: usize = 4;

/// Who folds, and what.
const FOLDS: [(&str, &str, &str); 3] = [
    ("scoring", CUSTOMER_EVENTS.name, "scoring"),
    ("churn-warning", CUSTOMER_EVENTS.name, "churn-warning"),
    ("cut-points", SCORING_SUMMARIES.name, "scoring"),
];

/// Who consumes, and what.
const CONSUMERS: [(&str, &[&str]); 2] =
    [("notification", &tiermesh_notification::TOPICS), ("console", &tiermesh_console::TOPICS)];

pub(super) async fn findings(log: &dyn EventLog, store: &SaveStore, args: &Args) -> Result<Vec<Finding>, CommandError> {
    let embedded_console = read_model_file(&args.source.data);
    let read_model = match args.source.kafka.kafka.is_none() && embedded_console.is_file() {
        true => Some(SaveStore::open(&format!("sqlite://{}", embedded_console.display())).await?),
        false => None,
    };
    let store_of = |consumer: &str| if consumer == "console" { read_model.as_ref().unwrap_or(store) } else { store };
    let mut findings = folds(log, store).await?;
    let mut consumers = Vec::new();
    for (consumer, topics) in CONSUMERS {
        consumers.push(Behind::look(log, store_of(consumer), consumer, topics).await?);
    }
    let look_again = findings.iter().any(|finding| finding.state == State::Wrong)
        || consumers.iter().any(|behind| !behind.places.is_empty());
    if look_again {
        tokio::time::sleep(SECOND_LOOK).await;
        findings = folds(log, store).await?;
        for ((consumer, topics), behind) in CONSUMERS.into_iter().zip(&mut consumers) {
            let later = Behind::look(log, store_of(consumer), consumer, topics).await?;
            *behind = later.unmoved_since(behind);
        }
    }
    findings.extend(CONSUMERS.into_iter().zip(&consumers).map(|((consumer, _), behind)| behind.finding(consumer)));
    Ok(findings)
}

async fn folds(log: &dyn EventLog, store: &SaveStore) -> Result<Vec<Finding>, CommandError> {
    let mut findings = Vec::new();
    let now = store.clock_ms().await?;
    let saved: BTreeMap<(String, u32), (u64, i64)> = store
        .positions()
        .await?
        .into_iter()
        .map(|standing| {
            ((standing.processor, standing.partition), (standing.position.next_offset, standing.saved_at_ms))
        })
        .collect();
    for (processor, topic, service) in FOLDS {
        let (mut lag, mut unmoved) = (0, Vec::new());
        for partition in 0..log.partitions(topic).await? {
            let end = log.extent(topic, partition).await?.end;
            let save = saved.get(&(processor.to_owned(), partition));
            let behind = end.saturating_sub(save.map_or(1, |(next, _)| (*next).max(1)));
            lag += behind;
            // A partition that nobody moves is one without an owner, or with one that is stuck.
            if behind > 0 && save.is_none_or(|(_, at)| now - at > OLD_MS) {
                unmoved.push(partition.to_string());
            }
        }
        findings.push(match (unmoved.is_empty(), lag > USUAL_LAG) {
            (false, _) => Finding::wrong(
                "lag",
                format!("{processor}: nobody moves partition {} of `{topic}`; {lag} records wait", unmoved.join(", ")),
                format!("is {service} running, and is there an error in its log?"),
            ),
            (true, true) => Finding::note("lag", format!("{processor}: {lag} behind the end"), "it is catching up"),
            (true, false) => Finding::well("lag", format!("{processor}: {lag} behind the end")),
        });
    }
    Ok(findings)
}

/// Where a consumer is behind.
struct Behind {
    /// Records that wait.
    lag: u64,
    /// It has taken something.
    known: bool,
    /// Partitions that wait, and where the consumer stands in them; after a second look those that didn't move.
    places: Vec<(String, u32, u64)>,
}

impl Behind {
    async fn look(
        log: &dyn EventLog,
        store: &SaveStore,
        consumer: &str,
        topics: &[&str],
    ) -> Result<Self, CommandError> {
        let mut partitions = Vec::new();
        for topic in topics {
            partitions.extend((0..log.partitions(topic).await?).map(|partition| (*topic, partition)));
        }
        // Many questions: where each answer takes long, they don't wait for one another.
        let asked = partitions.iter().map(|&(topic, partition)| async move {
            let place = store.place(consumer, topic, partition).await?;
            let end = log.extent(topic, partition).await?.end;
            Ok::<_, CommandError>((place.map(|place| place.next_offset.max(1)), end))
        });
        let places: Vec<_> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let mut behind = Self { lag: 0, known: false, places: Vec::new() };
        for ((topic, partition), (place, end)) in partitions.into_iter().zip(places) {
            behind.known |= place.is_some();
            let next = place.unwrap_or(1);
            let lag = end.saturating_sub(next);
            behind.lag += lag;
            if lag > 0 {
                behind.places.push((topic.to_owned(), partition, next));
            }
        }
        Ok(behind)
    }

    fn unmoved_since(mut self, earlier: &Self) -> Self {
        self.places.retain(|place| earlier.places.contains(place));
        self
    }

    fn finding(&self, consumer: &str) -> Finding {
        let lag = self.lag;
        if !self.known {
            return match lag {
                0 => Finding::well("lag", format!("{consumer}: there is nothing to take yet")),
                _ => {
                    let what = format!("{consumer} has taken nothing of {lag} records");
                    Finding::note("lag", what, "is it meant to run?")
                }
            };
        }
        if !self.places.is_empty() {
            let stuck = |(topic, partition, next): &(String, u32, u64)| {
                format!("partition {partition} of `{topic}` at offset {next}")
            };
            let stuck = self.places.iter().map(stuck).collect::<Vec<_>>().join(", ");
            let what = format!("{consumer}: nobody moves {stuck}; {lag} records wait");
            return Finding::wrong("lag", what, format!("is {consumer} running, and is there an error in its log?"));
        }
        match lag > USUAL_LAG {
            true => Finding::note("lag", format!("{consumer}: {lag} behind the end"), "it is catching up"),
            false => Finding::well("lag", format!("{consumer}: {lag} behind the end")),
        }
    }
}
