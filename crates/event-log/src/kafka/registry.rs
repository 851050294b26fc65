//! The identities of logs whose birth records are gone: retention removes those too.
//!
//! A topic of one partition keeps a copy of every birth record, by the name of its partition; the last one counts. It
//! is asked only where the log no longer begins with offset 0, so a topic that somebody deleted and made again by hand
//! is not taken for the old one.

use std::{collections::HashMap, sync::Arc};

use rdkafka::Message;

use super::{births, cluster::Cluster};
use crate::{
    record::{LogId, NewRecord},
    seam::LogError,
    topics::TopicSpec,
};

pub(super) const TOPIC: &str = "tiermesh.log-ids";

pub(super) fn topic() -> TopicSpec {
    TopicSpec { name: TOPIC.to_owned(), partitions: 1, retention_days: None }
}

fn key(topic: &str, partition: u32) -> String {
    format!("{topic}/{partition}")
}

/// An entry of it.
pub(super) fn entry(topic: &str, partition: u32, log_id: &LogId) -> NewRecord {
    NewRecord { key: key(topic, partition).into(), ..births::record(log_id) }
}

/// Identities by the name of the partition.
pub(super) type Entries = HashMap<String, LogId>;

/// Whether the entries name this identity for the partition.
pub(super) fn names(entries: &Entries, topic: &str, partition: u32, log_id: &LogId) -> bool {
    entries.get(&key(topic, partition)) == Some(log_id)
}

/// Whether the entries know the partition.
pub(super) fn knows(entries: &Entries, topic: &str, partition: u32) -> bool {
    entries.contains_key(&key(topic, partition))
}

/// All entries; none if the topic does not exist yet.
pub(super) async fn entries(cluster: &Arc<Cluster>) -> Result<Entries, LogError> {
    let end = match cluster.offsets(TOPIC, 0).await {
        Ok((_, end)) => end,
        Err(LogError::NoSuchTopic(_)) => 0,
        Err(error) => return Err(error),
    };
    if end == 0 {
        return Ok(Entries::new());
    }
    cluster
        .ask(move |cluster| {
            let mut entries = Entries::new();
            births::first(cluster, TOPIC, &[0], |_, message| {
                let key = message.key().map(String::from_utf8_lossy);
                if let (Some(key), Some(log_id)) = (key, births::log_id(message)) {
                    entries.insert(key.into_owned(), log_id);
                }
                // No transactions write to it, so its last record is the one before its end.
                (message.offset() as u64) + 1 < end
            })?;
            Ok(entries)
        })
        .await
}

/// The identity of a partition that begins with this offset.
pub(super) async fn log_id(cluster: &Arc<Cluster>, topic: &str, partition: u32, start: u64) -> Result<LogId, LogError> {
    let found = if start > 0 {
        entries(cluster).await?.remove(&key(topic, partition))
    } else if cluster.offsets(topic, partition).await?.1 > 0 {
        births::read(cluster, topic, &[partition]).await?.remove(&partition)
    } else {
        None
    };
    found.ok_or_else(|| {
        LogError::Corrupt(format!(
            "topic `{topic}`, partition {partition} has no birth record; if it is empty, `tiermesh topics --create` \
             writes it"
        ))
    })
}
