//! Reading a partition: from where it is told, in order, to the end and on.

use std::{sync::Arc, time::Duration};

use tiermesh_event_log::LogError;

use crate::{
    backend::Backend,
    support::{all, append, create, numbers, read, record, take, values},
};

pub(crate) async fn begins_at_an_offset_and_goes_on_to_the_end(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    append(&*log, &topic, 0, numbers(0..200)).await;
    append(&*log, &topic, 0, numbers(200..1000)).await;
    let records = read(&*log, &topic, 0, 0, 1000).await;
    let first = &records[0];
    assert_eq!(read(&*log, &topic, 0, 1, 1).await, std::slice::from_ref(first), "0 and 1 are both the beginning");
    for at in [1, 199, 200, 999] {
        assert_eq!(read(&*log, &topic, 0, records[at].offset, 1000 - at).await, records[at..]);
    }
    let mut reader = log.read(&topic, 0, 0).await.unwrap();
    assert_eq!(reader.next(1).await.unwrap(), records[..1]);
    assert!(reader.next(7).await.unwrap().len() <= 7);
}

pub(crate) async fn waits_for_the_next_record(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    append(&*log, &topic, 0, numbers(0..1)).await;
    let end = log.extent(&topic, 0).await.unwrap().end;
    let mut from_start = log.read(&topic, 0, 0).await.unwrap();
    let mut from_end = log.read(&topic, 0, end).await.unwrap();
    take(&mut *from_start, 1).await;
    let waiting = tokio::spawn(async move { (from_start.next(10).await.unwrap(), from_end.next(10).await.unwrap()) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "there is nothing to read");
    append(&*log, &topic, 0, vec![record("new")]).await;
    let (one, other) = waiting.await.unwrap();
    assert_eq!(values(&one), ["new"]);
    assert_eq!(one, other);
}

pub(crate) async fn a_cancelled_read_loses_nothing(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    let mut reader = log.read(&topic, 0, 0).await.unwrap();
    let sender = {
        let (log, topic) = (Arc::clone(&log), topic.clone());
        tokio::spawn(async move {
            let producer = log.producer("drop by drop").await.unwrap();
            for number in 0..200 {
                producer.send(&topic, 0, numbers(number..number + 1)).await.unwrap().await.unwrap();
            }
        })
    };
    let mut seen = Vec::new();
    while seen.len() < 200 {
        // Cut off at whatever point it happens to be.
        if let Ok(records) = tokio::time::timeout(Duration::from_micros(300), reader.next(3)).await {
            seen.extend(records.unwrap());
        }
    }
    sender.await.unwrap();
    let expected: Vec<String> = (0..200).map(|number: usize| number.to_string()).collect();
    assert_eq!(values(&seen), expected);
}

pub(crate) async fn offsets_outside_of_the_log_are_refused(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    append(&*log, &topic, 0, numbers(0..10)).await;
    let extent = log.extent(&topic, 0).await.unwrap();
    assert_eq!(extent.start, 0);
    let refused = |error: LogError, at: u64| match error {
        LogError::OutOfRange { offset, end, .. } => assert_eq!((offset, end), (at, extent.end)),
        other => panic!("{other}"),
    };
    log.read(&topic, 0, extent.end).await.unwrap();
    refused(log.read(&topic, 0, extent.end + 1).await.err().unwrap(), extent.end + 1);
    if backend.cut(&topic, 5).await {
        let cut = log.extent(&topic, 0).await.unwrap();
        assert_eq!((cut.start, cut.end), (5, extent.end));
        refused(log.read(&topic, 0, 4).await.err().unwrap(), 4);
        refused(log.read(&topic, 0, 0).await.err().unwrap(), 0);
        assert_eq!(read(&*log, &topic, 0, 5, 1).await[0].offset, 5);
    } else {
        assert!(matches!(backend, Backend::Embedded { .. }), "the others can remove records");
    }
}

pub(crate) async fn a_slow_reader_holds_nobody_up_and_gets_all(backend: Backend) {
    const SENDS: usize = 200;
    const RECORDS: usize = 100;
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    let mut slow = log.read(&topic, 0, 0).await.unwrap();
    let mut fast = log.read(&topic, 0, 0).await.unwrap();
    let producer = log.producer("fast").await.unwrap();
    let mut acks = Vec::new();
    for send in 0..SENDS {
        // More in all than any reader's buffer holds.
        let mut records = numbers(send * RECORDS..(send + 1) * RECORDS);
        records.iter_mut().for_each(|record| record.key = vec![b' '; 200].into());
        acks.push(producer.send(&topic, 0, records).await.unwrap());
    }
    all(acks).await;
    let all = take(&mut *fast, SENDS * RECORDS).await;
    assert_eq!(take(&mut *slow, SENDS * RECORDS).await, all);
    let expected: Vec<String> = (0..SENDS * RECORDS).map(|number| number.to_string()).collect();
    assert_eq!(values(&all), expected);
}
