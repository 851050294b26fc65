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

#[tokio::test]
async fn what_is_on_its_way_arrives_by_partition_and_is_answered_when_a_test_wants_it() {
    let log = MemoryLog::new();
    let topic = create(&log, 2).await.name;
    let (slow, other) = (log.client("slow"), log.client("other"));
    log.hold_deliveries("slow");
    let producer = slow.producer("scoring").await.unwrap();
    let mut first = producer.send(&topic, 0, numbers(0..3)).await.unwrap();
    let mut second = producer.send(&topic, 1, numbers(3..5)).await.unwrap();
    other.producer("scoring").await.unwrap().send(&topic, 0, numbers(9..10)).await.unwrap().await.unwrap();
    assert_eq!(values(&log.records(&topic, 0).unwrap()), ["9"]);

    assert_eq!(log.deliver("slow", false, |_, partition, waiting| if partition == 0 { waiting } else { 1 }), 4);
    assert_eq!(values(&log.records(&topic, 0).unwrap()), ["9", "0", "1", "2"]);
    assert_eq!(values(&log.records(&topic, 1).unwrap()), ["3"]);
    assert!((&mut first).now_or_never().is_none());
    assert_eq!(log.deliver("slow", true, |_, _, _| 0), 0);
    assert_eq!(first.await.unwrap(), 4);
    assert!((&mut second).now_or_never().is_none());
    log.release_deliveries("slow");
    assert_eq!(second.await.unwrap(), 2);
    assert_eq!(producer.send(&topic, 1, numbers(5..6)).await.unwrap().await.unwrap(), 3);
}

#[tokio::test]
async fn a_delivery_that_fails_ends_its_producer_and_nothing_follows_behind_a_hole() {
    let log = MemoryLog::new();
    let topic = create(&log, 1).await.name;
    let client = log.client("client");
    log.hold_deliveries("client");
    let producer = client.producer("scoring").await.unwrap();
    let mut acks = Vec::new();
    for number in 0..3 {
        acks.push(producer.send(&topic, 0, numbers(number..number + 1)).await.unwrap());
    }
    assert_eq!(log.deliver("client", false, |_, _, _| 1), 1);
    assert_eq!(log.fail_deliveries("client"), 2);
    assert_eq!(values(&log.records(&topic, 0).unwrap()), ["0"]);
    for ack in acks {
        assert!(matches!(ack.await, Err(LogError::DeliveryFailed(_))));
    }
    assert!(producer.send(&topic, 0, numbers(7..8)).await.is_err());
    let next = client.producer("scoring").await.unwrap();
    assert_eq!(next.send(&topic, 0, numbers(1..2)).await.unwrap().await.unwrap(), 2);
}

#[tokio::test]
async fn a_client_that_is_given_up_loses_its_partitions_and_takes_part_again() {
    let log = MemoryLog::new();
    let topic = create(&log, 1).await.name;
    let mut owner = log.client("owner").join("group", &topic).await.unwrap();
    let mut idle = log.client("idle").join("group", &topic).await.unwrap();
    assert_eq!(assigned(&mut *owner).await.len(), 1);
    assert_eq!(assigned(&mut *idle).await.len(), 0);
    // It had nothing to lose, and hears of nothing.
    assert_eq!(log.lose_client("idle"), 0);
    assert!(idle.next().now_or_never().is_none());
    assert_eq!(log.lose_client("owner"), 1);
    assert_eq!(assigned(&mut *idle).await[0].partition, 0);
    let (partitions, lost, done) = revoked(&mut *owner).await;
    assert_eq!((partitions, lost), (vec![0], true));
    done.send(()).unwrap();
    drop(idle);
    assert_eq!(assigned(&mut *owner).await.len(), 1);
}
