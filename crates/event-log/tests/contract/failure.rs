//! A failed delivery ends its producer, and nothing else.

use tiermesh_event_log::LogError;

use crate::{
    backend::Backend,
    support::{append, create, numbers, read, record, values},
};

pub(crate) async fn a_failed_delivery_poisons_its_producer_alone(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    let other_topic = create(&*log, 1).await.name;
    let producer = log.producer("poisoned").await.unwrap();
    let other = log.producer("other").await.unwrap();
    producer.send(&topic, 0, numbers(0..1)).await.unwrap().await.unwrap();

    let failing = backend.send_what_fails("poisoned", &*producer, &topic).await;
    // Sent before the failure is known, or refused because it is: written in neither case.
    let mut after = Vec::new();
    for number in 0..500 {
        after.push(producer.send(&topic, 0, vec![record(format!("after {number}"))]).await);
        tokio::task::yield_now().await;
    }
    assert!(matches!(failing.await, Err(LogError::DeliveryFailed(_))));
    for sent in after {
        let error = match sent {
            Ok(ack) => ack.await.err(),
            Err(error) => Some(error),
        };
        assert!(matches!(error, Some(LogError::DeliveryFailed(_))), "{error:?}");
    }
    for target in [&topic, &other_topic] {
        let later = producer.send(target, 0, vec![record("later")]).await;
        assert!(matches!(later, Err(LogError::DeliveryFailed(_))));
    }

    other.send(&other_topic, 0, numbers(0..1)).await.unwrap().await.unwrap();
    append(&*log, &topic, 0, vec![record("by another")]).await;
    assert_eq!(values(&read(&*log, &topic, 0, 0, 2).await), ["0", "by another"]);
}

pub(crate) async fn unknown_topics_and_partitions_are_named(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    let producer = log.producer("unknown").await.unwrap();
    let no_topic =
        |error: LogError| assert!(matches!(&error, LogError::NoSuchTopic(name) if name == "nowhere"), "{error}");
    no_topic(log.partitions("nowhere").await.unwrap_err());
    no_topic(log.extent("nowhere", 0).await.unwrap_err());
    no_topic(log.read("nowhere", 0, 0).await.err().unwrap());
    no_topic(log.join("group", "nowhere").await.err().unwrap());
    no_topic(producer.send("nowhere", 0, numbers(0..1)).await.err().unwrap());
    let no_partition = |error: LogError| {
        assert!(matches!(&error, LogError::NoSuchPartition { partition: 7, .. }), "{error}");
    };
    no_partition(log.extent(&topic, 7).await.unwrap_err());
    no_partition(log.read(&topic, 7, 0).await.err().unwrap());
    no_partition(producer.send(&topic, 7, numbers(0..1)).await.err().unwrap());
    assert_eq!(log.partitions(&topic).await.unwrap(), 1);
    // None of which is a failed delivery.
    producer.send(&topic, 0, numbers(0..1)).await.unwrap().await.unwrap();
}
