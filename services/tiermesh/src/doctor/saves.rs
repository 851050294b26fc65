//! Who keeps up: how far behind the log's end each fold and consumer is, how old its save, whether anybody has it.

use std::{collections::BTreeMap, time::Duration};

use tiermesh_event_log::{
    EventLog,
    topics::{CUSTOMER_EVENTS, SCORING_SUMMARIES},
};
use tiermesh_store::SaveStore;

use super::{Args, Finding, State};
use crate::{cli::CommandError, connect::read_model_file};

/// A save this old, of a partition that isn't at its end, means that nobody moves it.
const OLD_MS: i64 = 60_000;

/// What came a moment ago, after long quiet, is saved within a second or two.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// Records that may wait at a look while everything is well.
const USUAL_LAG: u64 = 1_000;

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
    let mut findings = folds(log, store).await?;
    if findings.iter().any(|finding| finding.state == State::Wrong) {
        tokio::time::sleep(SECOND_LOOK).await;
        findings = folds(log, store).await?;
    }
    let embedded_console = read_model_file(&args.source.data);
    for (consumer, topics) in CONSUMERS {
        let read_model = match (consumer, args.source.kafka.kafka.is_some()) {
            ("console", false) if embedded_console.is_file() => {
                Some(SaveStore::open(&format!("sqlite://{}", embedded_console.display())).await?)
            }
            _ => None,
        };
        findings.push(consumer_lag(log, read_model.as_ref().unwrap_or(store), consumer, topics).await?);
    }
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

async fn consumer_lag(
    log: &dyn EventLog,
    store: &SaveStore,
    consumer: &str,
    topics: &[&str],
) -> Result<Finding, CommandError> {
    let (mut lag, mut known) = (0, false);
    for topic in topics {
        for partition in 0..log.partitions(topic).await? {
            let place = store.place(consumer, topic, partition).await?;
            known |= place.is_some();
            let end = log.extent(topic, partition).await?.end;
            lag += end.saturating_sub(place.map_or(1, |place| place.next_offset.max(1)));
        }
    }
    Ok(match (known, lag > USUAL_LAG) {
        (false, _) if lag == 0 => Finding::well("lag", format!("{consumer}: there is nothing to take yet")),
        (false, _) => {
            Finding::note("lag", format!("{consumer} has taken nothing of {lag} records"), "is it meant to run?")
        }
        (true, true) => {
            let remedy =
                format!("if the number doesn't fall: is {consumer} running, and is there an error in its log?");
            Finding::note("lag", format!("{consumer}: {lag} behind the end"), remedy)
        }
        (true, false) => Finding::well("lag", format!("{consumer}: {lag} behind the end")),
    })
}
