//! Birth records: the first record of each partition, which holds its log's identity.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Instant,
};

use rdkafka::{
    Message,
    consumer::Consumer as _,
    message::{BorrowedMessage, Headers as _},
};

use super::{cluster::Cluster, reader::place};
use crate::{
    headers::Headers,
    record::{LogId, NewRecord},
    seam::LogError,
};

const HEADER: &str = "tm_log_id";

/// A record that gives a partition this identity. Where two were written, the one at offset 0 stands.
pub(super) fn record(log_id: &LogId) -> NewRecord {
    NewRecord { headers: Headers::from_iter([(HEADER, &log_id.0)]), ..NewRecord::default() }
}

/// The identity that a birth record gives; `None` for all other records.
pub(super) fn log_id(message: &BorrowedMessage<'_>) -> Option<LogId> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == HEADER)?;
    Some(LogId(String::from_utf8_lossy(header.value?).into_owned()))
}

/// Whether it is a birth record. Those of a partition have neither key nor value: of others the headers, which librdkafka
/// reads only when asked, are not looked at.
pub(super) fn is_birth(message: &BorrowedMessage<'_>) -> bool {
    message.payload_len() == 0 && message.key_len() == 0 && log_id(message).is_some()
}

/// The identities of those of these partitions whose first record, at offset 0, is a birth record. None of them may be
/// empty, or begin later.
pub(super) async fn read(
    cluster: &Arc<Cluster>,
    topic: &str,
    partitions: &[u32],
) -> Result<BTreeMap<u32, LogId>, LogError> {
    let (topic, partitions) = (topic.to_owned(), partitions.to_vec());
    cluster
        .ask(move |cluster| {
            let mut ids = BTreeMap::new();
            first(cluster, &topic, &partitions, |partition, message| {
                if let Some(id) = log_id(message) {
                    ids.insert(partition, id);
                }
                // The first record is enough.
                false
            })?;
            Ok(ids)
        })
        .await
}

/// Reads these partitions from offset 0 on, each for as long as `more` says so.
pub(super) fn first(
    cluster: &Cluster,
    topic: &str,
    partitions: &[u32],
    mut more: impl FnMut(u32, &BorrowedMessage<'_>) -> bool,
) -> Result<(), LogError> {
    let _assigning = cluster.assigning.lock().unwrap_or_else(PoisonError::into_inner);
    let consumer = &cluster.consumer;
    let queues: Vec<_> = partitions
        .iter()
        .filter_map(|partition| Some((*partition, consumer.split_partition_queue(topic, *partition as i32)?)))
        .collect();
    let places = place(topic, partitions.iter().map(|partition| (*partition, 0)));
    consumer.assign(&places).map_err(|error| cluster.unavailable(error))?;
    let start = Instant::now();
    let mut result = Ok(());
    'partitions: for (partition, queue) in &queues {
        loop {
            let left = cluster.settings.timeout.saturating_sub(start.elapsed());
            match queue.poll(left) {
                Some(Ok(message)) if more(*partition, &message) => {}
                Some(Ok(_)) => break,
                Some(Err(error)) => {
                    result = Err(cluster.unavailable(error));
                    break 'partitions;
                }
                None if start.elapsed() < cluster.settings.timeout => {}
                None => {
                    let what = format!("topic `{topic}`, partition {partition} could not be read in time");
                    result = Err(cluster.unavailable(what));
                    break 'partitions;
                }
            }
        }
    }
    drop(queues);
    consumer.unassign().map_err(|error| cluster.unavailable(error))?;
    result
}
