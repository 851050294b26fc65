//! A partition is a sequence: what was sent before stands before.

use std::{collections::HashMap, sync::Arc};

use tiermesh_event_log::{NewRecord, Producer};

use crate::{
    backend::Backend,
    support::{all, append, create, numbers, read, record, values},
};

pub(crate) async fn each_partition_keeps_the_order_of_its_sends(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 2).await.name;
    let producer = log.producer("order").await.unwrap();
    let mut acks = Vec::new();
    for number in 0..500 {
        for partition in 0..2 {
            let records = numbers(number * 3..number * 3 + 3);
            acks.push(producer.send(&topic, partition, records).await.unwrap());
        }
    }
    let offsets = all(acks).await;
    let expected: Vec<String> = (0..1500).map(|number: usize| number.to_string()).collect();
    for partition in 0..2 {
        let records = read(&*log, &topic, partition, 0, 1500).await;
        assert_eq!(values(&records), expected);
        // An acknowledgement names the last of its records.
        let acked: Vec<u64> = offsets.iter().skip(partition as usize).step_by(2).copied().collect();
        let last: Vec<u64> = records.chunks(3).map(|three| three[2].offset).collect();
        assert_eq!(acked, last);
        assert!(records[0].offset >= 1, "offset 0 is the birth record's");
    }
}

pub(crate) async fn many_concurrent_senders_interleave_without_loss_or_tearing(backend: Backend) {
    const SENDERS: usize = 16;
    const SENDS: usize = 50;
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    // Half of them share one producer.
    let shared: Arc<dyn Producer> = log.producer("shared").await.unwrap().into();
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let (log, topic, shared) = (Arc::clone(&log), topic.clone(), Arc::clone(&shared));
        tasks.push(tokio::spawn(async move {
            let producer: Arc<dyn Producer> = match sender % 2 {
                0 => shared,
                _ => log.producer("own").await.unwrap().into(),
            };
            let mut acks = Vec::new();
            for send in 0..SENDS {
                let pair = [0, 1].map(|part| record(format!("{sender} {}", send * 2 + part)));
                acks.push(producer.send(&topic, 0, pair.to_vec()).await.unwrap());
            }
            all(acks).await
        }));
    }
    let mut acked = Vec::new();
    for task in tasks {
        let offsets = task.await.unwrap();
        assert!(offsets.is_sorted());
        acked.extend(offsets);
    }
    acked.sort_unstable();
    let records = read(&*log, &topic, 0, 0, SENDERS * SENDS * 2).await;
    let mut seen: HashMap<String, usize> = HashMap::new();
    for pair in values(&records).chunks(2) {
        let mut senders = Vec::new();
        for value in pair {
            let (sender, number) = value.split_once(' ').unwrap();
            let next = seen.entry(sender.to_owned()).or_default();
            assert_eq!(number.parse::<usize>().unwrap(), *next, "sender {sender}");
            *next += 1;
            senders.push(sender);
        }
        assert_eq!(senders[0], senders[1], "one send's records are torn apart");
    }
    assert!(seen.values().all(|count| *count == SENDS * 2));
    let lasts: Vec<u64> = records.chunks(2).map(|pair| pair[1].offset).collect();
    assert_eq!(acked, lasts);
}

pub(crate) async fn a_record_comes_back_as_it_was_sent(backend: Backend) {
    let log = backend.log();
    let topic = create(&*log, 1).await.name;
    let sent = vec![
        NewRecord {
            key: "customer-1".into(),
            value: vec![0, 255, 10].into(),
            headers: [("ce_id", "1"), ("ce_type", "größer"), ("empty", ""), ("ce_id", "2")].into_iter().collect(),
        },
        NewRecord::default(),
        NewRecord { value: vec![1; 300_000].into(), ..NewRecord::default() },
    ];
    append(&*log, &topic, 0, sent.clone()).await;
    let back = read(&*log, &topic, 0, 0, 3).await;
    for (sent, back) in sent.iter().zip(&back) {
        assert_eq!((&sent.key, &sent.value, &sent.headers), (&back.key, &back.value, &back.headers));
    }
    assert_eq!(back[0].header("ce_id"), Some("1"));
    let none = log.producer("none").await.unwrap().send(&topic, 0, Vec::new()).await.unwrap();
    assert_eq!(none.await.unwrap(), 0, "nothing to acknowledge");
}
