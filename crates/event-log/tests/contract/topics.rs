//! Topics: made once, compared with their definitions, never changed.

use tiermesh_event_log::{EventLog, TopicDifference, topics::TopicSpec};

use crate::{
    backend::Backend,
    support::{append, create, numbers, topic},
};

pub(crate) async fn creating_twice_changes_nothing(backend: Backend) {
    let log = backend.log();
    let spec = TopicSpec { retention_days: Some(90), ..topic(3) };
    assert_eq!(kinds(&log.check_topics(std::slice::from_ref(&spec)).await.unwrap()), ["missing"]);
    let (one, two) =
        tokio::join!(log.create_topics(std::slice::from_ref(&spec)), log.create_topics(std::slice::from_ref(&spec)),);
    assert_eq!((one.unwrap(), two.unwrap()), (vec![], vec![]));
    let ids = ids(&*log, &spec).await;
    append(&*log, &spec.name, 0, numbers(0..1)).await;
    assert_eq!(log.create_topics(std::slice::from_ref(&spec)).await.unwrap(), []);
    assert_eq!(log.check_topics(std::slice::from_ref(&spec)).await.unwrap(), []);
    assert_eq!(self::ids(&*log, &spec).await, ids);
    let mut different = ids.clone();
    different.dedup();
    assert_eq!(different, ids, "each partition has an identity of its own");
}

pub(crate) async fn differences_are_found_and_left_alone(backend: Backend) {
    let log = backend.log();
    let made = create(&*log, 2).await;
    let wanted = TopicSpec { partitions: 3, retention_days: Some(1), ..made.clone() };
    for differences in [
        log.check_topics(std::slice::from_ref(&wanted)).await.unwrap(),
        log.create_topics(std::slice::from_ref(&wanted)).await.unwrap(),
    ] {
        let difference = |what: &str, expected: &str, found: &str| TopicDifference {
            topic: made.name.clone(),
            what: what.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        assert_eq!(differences, [difference("partitions", "3", "2"), difference("retention.ms", "86400000", "-1")]);
    }
    assert_eq!(log.partitions(&made.name).await.unwrap(), 2);
    assert_eq!(log.check_topics(&[made]).await.unwrap(), []);
}

pub(crate) async fn a_replaced_log_has_another_id(mut backend: Backend) {
    let log = backend.log();
    let spec = create(&*log, 1).await;
    append(&*log, &spec.name, 0, numbers(0..3)).await;
    let old = log.extent(&spec.name, 0).await.unwrap();
    drop(log);
    backend.replace(&spec).await;
    let new = backend.log().extent(&spec.name, 0).await.unwrap();
    assert_ne!(old.log_id, new.log_id);
    assert!(new.end < old.end);
}

async fn ids(log: &dyn EventLog, spec: &TopicSpec) -> Vec<String> {
    let mut ids = Vec::new();
    for partition in 0..spec.partitions {
        ids.push(log.extent(&spec.name, partition).await.unwrap().log_id.0);
    }
    ids
}

fn kinds(differences: &[TopicDifference]) -> Vec<&str> {
    differences.iter().map(|difference| difference.what.as_str()).collect()
}
