//! What was acknowledged stays.

use crate::{
    backend::Backend,
    support::{create, numbers, read, values},
};

pub(crate) async fn what_was_acknowledged_is_there_for_another_handle(mut backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    let producer = log.producer("durable").await.unwrap();
    let last = producer.send(&topic, 0, numbers(0..100)).await.unwrap().await.unwrap();
    let before = log.extent(&topic, 0).await.unwrap();
    assert!(before.end > last);
    drop((producer, log));

    let log = backend.reopened().await;
    assert_eq!(log.extent(&topic, 0).await.unwrap(), before);
    let records = read(&*log, &topic, 0, 0, 100).await;
    assert_eq!(records[99].offset, last);
    assert_eq!(values(&records)[99], "99");
    let next = log.producer("next").await.unwrap().send(&topic, 0, numbers(100..101)).await.unwrap().await.unwrap();
    assert!(next > last, "what follows comes after");
}

pub(crate) async fn dropping_the_producer_or_the_ack_does_not_take_records_back(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    let producer = log.producer("dropped").await.unwrap();
    drop(producer.send(&topic, 0, numbers(0..50)).await.unwrap());
    let ack = producer.send(&topic, 0, numbers(50..100)).await.unwrap();
    drop(producer);
    ack.await.unwrap();
    let expected: Vec<String> = (0..100).map(|number: usize| number.to_string()).collect();
    assert_eq!(values(&read(&*log, &topic, 0, 0, 100).await), expected);
}
