//! Creating topics with their birth records, and comparing them with their definitions.

use std::{collections::BTreeMap, sync::Arc};

use rdkafka::{
    admin::{NewTopic, ResourceSpecifier, TopicReplication},
    types::RDKafkaErrorCode,
};

use super::{births, cluster::Cluster, producer::KafkaProducer, registry};
use crate::{
    record::LogId,
    seam::{LogError, Producer, TopicDifference},
    topics::TopicSpec,
};

/// Creates what is missing of topics and of birth records.
pub(super) async fn create(cluster: &Arc<Cluster>, topics: &[TopicSpec]) -> Result<(), LogError> {
    let mut missing = Vec::new();
    for spec in topics.iter().cloned().chain([registry::topic()]) {
        match cluster.partitions(&spec.name).await {
            Ok(_) => {}
            Err(LogError::NoSuchTopic(_)) => missing.push(spec),
            Err(error) => return Err(error),
        }
    }
    if !missing.is_empty() {
        make(cluster, missing).await?;
    }
    give_birth(cluster, topics).await
}

async fn make(cluster: &Arc<Cluster>, missing: Vec<TopicSpec>) -> Result<(), LogError> {
    let names: Vec<String> = missing.iter().map(|spec| spec.name.clone()).collect();
    let (replicas, in_sync) = (cluster.settings.replication_factor, cluster.settings.min_insync_replicas.to_string());
    let results = cluster
        .administer(async move |client, options| {
            let retentions: Vec<String> = missing.iter().map(TopicSpec::retention_ms).collect();
            let new: Vec<NewTopic<'_>> = missing
                .iter()
                .zip(&retentions)
                .map(|(spec, retention)| {
                    NewTopic::new(&spec.name, spec.partitions as i32, TopicReplication::Fixed(replicas))
                        .set("cleanup.policy", "delete")
                        .set("retention.ms", retention)
                        .set("min.insync.replicas", &in_sync)
                        // A copy that lacks acknowledged records must not become the log.
                        .set("unclean.leader.election.enable", "false")
                })
                .collect();
            client.create_topics(&new, &options).await
        })
        .await?;
    for result in results {
        match result {
            // Another process may create them at the same time.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, error)) => {
                return Err(cluster.unavailable(format!("topic `{topic}` can't be created: {error}")));
            }
        }
    }
    for name in names {
        seen(cluster, &name).await?;
    }
    Ok(())
}

/// Waits until brokers that did not create the topic know of it.
async fn seen(cluster: &Arc<Cluster>, topic: &str) -> Result<(), LogError> {
    let wait = async {
        loop {
            match cluster.partitions(topic).await {
                Err(LogError::NoSuchTopic(_)) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                other => return other.map(drop),
            }
        }
    };
    let waited = tokio::time::timeout(cluster.settings.timeout, wait).await;
    waited.unwrap_or_else(|_| Err(cluster.unavailable(format!("topic `{topic}` was created and is not there"))))
}

/// Writes the birth records that are missing, and notes the standing ones in the registry.
async fn give_birth(cluster: &Arc<Cluster>, topics: &[TopicSpec]) -> Result<(), LogError> {
    let producer = KafkaProducer::new(Arc::clone(cluster), "births")?;
    let mut acks = Vec::new();
    for spec in topics {
        for (partition, (_, end)) in (0..).zip(cluster.all_offsets(&spec.name).await?) {
            if end == 0 {
                acks.push(producer.send(&spec.name, partition, vec![births::record(&LogId::random())]).await?);
            }
        }
    }
    let entries = async {
        for ack in acks {
            ack.await?;
        }
        let known = registry::entries(cluster).await?;
        let mut new = Vec::new();
        for spec in topics {
            for (partition, log_id) in standing(cluster, &spec.name).await?.1 {
                if !registry::names(&known, &spec.name, partition, &log_id) {
                    new.push(registry::entry(&spec.name, partition, &log_id));
                }
            }
        }
        producer.send(&registry::topic().name, 0, new).await?.await
    };
    let written = tokio::time::timeout(cluster.settings.timeout, entries).await;
    written.unwrap_or_else(|_| Err(cluster.unavailable("birth records were not acknowledged in time"))).map(drop)
}

/// First offsets by partition, and the identities by their birth records at offset 0.
async fn standing(cluster: &Arc<Cluster>, topic: &str) -> Result<(Vec<u64>, BTreeMap<u32, LogId>), LogError> {
    let offsets = cluster.all_offsets(topic).await?;
    let written = (0..).zip(&offsets).filter(|(_, (start, end))| *start == 0 && *end > 0);
    let written: Vec<u32> = written.map(|(partition, _)| partition).collect();
    let ids = births::read(cluster, topic, &written).await?;
    Ok((offsets.into_iter().map(|(start, _)| start).collect(), ids))
}

/// Compares topics with their definitions.
pub(super) async fn check(cluster: &Arc<Cluster>, topics: &[TopicSpec]) -> Result<Vec<TopicDifference>, LogError> {
    let entries = registry::entries(cluster).await?;
    let mut differences = Vec::new();
    for spec in topics {
        match cluster.partitions(&spec.name).await {
            Ok(found) => {
                if found != spec.partitions {
                    differences.push(spec.differs("partitions", spec.partitions, found));
                }
                differences.extend(check_settings(cluster, spec).await?);
                differences.extend(check_births(cluster, spec, &entries).await?);
            }
            Err(LogError::NoSuchTopic(_)) => differences.push(spec.differs("missing", "a topic", "none")),
            Err(error) => return Err(error),
        }
    }
    Ok(differences)
}

async fn check_settings(cluster: &Arc<Cluster>, spec: &TopicSpec) -> Result<Vec<TopicDifference>, LogError> {
    let name = spec.name.clone();
    let described = cluster
        .administer(async move |client, options| {
            client.describe_configs(&[ResourceSpecifier::Topic(&name)], &options).await
        })
        .await?;
    let found = match described.into_iter().next() {
        Some(Ok(found)) => found,
        Some(Err(error)) => return Err(cluster.unavailable(format!("topic `{}`: {error}", spec.name))),
        None => return Err(cluster.unavailable(format!("topic `{}` is not described", spec.name))),
    };
    let value = |setting: &str| found.get(setting).and_then(|entry| entry.value.as_deref()).unwrap_or("");
    let expected = [
        ("retention.ms", spec.retention_ms()),
        ("cleanup.policy", "delete".to_owned()),
        ("unclean.leader.election.enable", "false".to_owned()),
    ];
    let differ = expected.iter().filter(|(setting, expected)| value(setting) != expected);
    let mut differences: Vec<_> =
        differ.map(|(setting, expected)| spec.differs(setting, expected, value(setting))).collect();
    // More of them is safer than what was asked for.
    let (setting, least) = ("min.insync.replicas", cluster.settings.min_insync_replicas);
    if value(setting).parse().is_ok_and(|found: u32| found >= least) {
        return Ok(differences);
    }
    differences.push(spec.differs(setting, least, value(setting)));
    Ok(differences)
}

async fn check_births(
    cluster: &Arc<Cluster>,
    spec: &TopicSpec,
    entries: &registry::Entries,
) -> Result<Vec<TopicDifference>, LogError> {
    let (starts, ids) = standing(cluster, &spec.name).await?;
    let mut differences = Vec::new();
    for (partition, start) in (0..).zip(starts) {
        let born = ids.contains_key(&partition);
        if !born && (start == 0 || !registry::knows(entries, &spec.name, partition)) {
            differences.push(spec.differs("birth record", format!("one in partition {partition}"), "none"));
        }
    }
    Ok(differences)
}
