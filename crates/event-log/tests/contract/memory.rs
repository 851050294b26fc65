//! What can be made to happen to a log in memory.

use futures::FutureExt;
use tiermesh_event_log::{EventLog, LogError, memory::MemoryLog};

use crate::support::{assigned, create, numbers, revoked, values};

#[tokio::test]
async fn a_failing_delivery_may_have_written_a_part() {
    for (written, stand) in [(0, 0), (2, 2), (usize::MAX, 3)] {
        let log = MemoryLog::new();
        let topic = create(&log, 1).await.name;
        let producer = log.producer("scoring").await.unwrap();
        log.fail_next_delivery("scoring", written);
        let ack = producer.send(&topic, 0, numbers(0..3)).await.unwrap();
        assert!(matches!(ack.await, Err(LogError::DeliveryFailed(_))));
        let expected: Vec<String> = (0..stand).map(|number: usize| number.to_string()).collect();
        assert_eq!(values(&log.records(&topic, 0).unwrap()), expected);
        // A new producer of the name is whole.
        let next = log.producer("scoring").await.unwrap();
        next.send(&topic, 0, numbers(0..1)).await.unwrap().await.unwrap();
    }
}

#[tokio::test]
async fn held_acknowledgements_wait_though_the_records_are_there() {
    let log = MemoryLog::new();
    let topic = create(&log, 1).await.name;
    let producer = log.producer("held").await.unwrap();
    let held = log.hold_acks();
    let mut ack = producer.send(&topic, 0, numbers(0..2)).await.unwrap();
    assert!((&mut ack).now_or_never().is_none());
    assert_eq!(log.records(&topic, 0).unwrap().len(), 2);
    drop(held);
    assert_eq!(ack.await.unwrap(), 2);

    let _held = log.hold_acks();
    let pending = producer.send(&topic, 0, numbers(0..1)).await.unwrap();
    log.fail_next_delivery("held", 0);
    assert!(producer.send(&topic, 0, numbers(0..1)).await.unwrap().await.is_err());
    assert!(matches!(pending.await, Err(LogError::DeliveryFailed(_))));
}

#[tokio::test]
async fn what_a_member_lost_goes_to_the_others_before_it_hears_of_it() {
    let log = MemoryLog::new();
    let topic = create(&log, 2).await.name;
    let mut zombie = log.join("group", &topic).await.unwrap();
    let mut other = log.join("group", &topic).await.unwrap();
    assert_eq!(assigned(&mut *zombie).await.len(), 1);
    assert_eq!(assigned(&mut *other).await.len(), 1);
    assert!(log.lose_partitions("group", &topic, 0));
    assert_eq!(assigned(&mut *other).await[0].partition, 0);
    let (partitions, lost, done) = revoked(&mut *zombie).await;
    assert_eq!((partitions, lost), (vec![0], true));
    done.send(()).unwrap();
    let (_, lost, done) = revoked(&mut *other).await;
    assert!(!lost);
    done.send(()).unwrap();
    assert_eq!(assigned(&mut *zombie).await.len(), 1);
    assert!(!log.lose_partitions("nobody", &topic, 0));
}

#[tokio::test]
async fn readers_of_a_replaced_topic_fail() {
    let log = MemoryLog::new();
    let topic = create(&log, 1).await.name;
    let mut reader = log.read(&topic, 0, 0).await.unwrap();
    log.replace_topic(&topic).unwrap();
    assert!(matches!(reader.next(1).await, Err(LogError::OutOfRange { .. })));
}
