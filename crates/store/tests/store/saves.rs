//! What is written comes back.

use tiermesh_store::{OutputEnd, Position, Save, StoreError};

use crate::database::{Database, at, behind, snapshot};

fn save(position: Position, segments: &[&str]) -> Option<Save> {
    Some(Save { position, segments: segments.iter().map(|text| text.as_bytes().to_vec()).collect() })
}

pub(crate) async fn a_new_partition_has_no_save(database: &Database) {
    let store = database.open().await;
    let (first, none) = store.acquire("scoring", 3).await.unwrap();
    assert_eq!((first.processor.as_str(), first.partition, first.epoch, none), ("scoring", 3, 1, None));
    let (second, none) = store.acquire("scoring", 3).await.unwrap();
    assert_eq!((second.epoch, none), (2, None));
}

pub(crate) async fn segments_come_back_in_order(database: &Database) {
    let store = database.open().await;
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    store.write(&tenure, &at(10), snapshot("all")).await.unwrap();
    for n in 1..=12 {
        store.write(&tenure, &at(10 + n), behind(n, n.to_string())).await.unwrap();
    }
    let (_, loaded) = database.open().await.acquire("scoring", 0).await.unwrap();
    assert_eq!(loaded, save(at(22), &["all", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]));
}

pub(crate) async fn what_is_needed_no_longer_goes(database: &Database) {
    let store = database.open().await;
    let (mut tenure, _) = store.acquire("scoring", 0).await.unwrap();
    let mut expected: Vec<String> = Vec::new();
    for (n, keep) in (1..).zip([0, 1, 2, 1, 2, 3, 0, 1, 0, 1]) {
        let text = n.to_string();
        store.write(&tenure, &at(n), behind(keep, text.as_str())).await.unwrap();
        expected.drain(..expected.len() - keep as usize);
        expected.push(text);
        let (next, loaded) = store.acquire("scoring", 0).await.unwrap();
        let texts: Vec<&str> = expected.iter().map(String::as_str).collect();
        assert_eq!(loaded, save(at(n), &texts));
        tenure = next;
    }
}

pub(crate) async fn a_snapshot_replaces_what_was_before(database: &Database) {
    let store = database.open().await;
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    store.write(&tenure, &at(1), snapshot("one")).await.unwrap();
    store.write(&tenure, &at(2), behind(1, "two")).await.unwrap();
    // At the same offset: the same state, packed anew.
    store.write(&tenure, &at(2), snapshot("both")).await.unwrap();
    let (tenure, loaded) = store.acquire("scoring", 0).await.unwrap();
    assert_eq!(loaded, save(at(2), &["both"]));
    store.write(&tenure, &at(3), behind(1, "")).await.unwrap();
    assert_eq!(store.acquire("scoring", 0).await.unwrap().1, save(at(3), &["both", ""]));
}

pub(crate) async fn a_repeated_write_is_written_once(database: &Database) {
    let store = database.open().await;
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    for _ in 0..2 {
        store.write(&tenure, &at(1), snapshot("all")).await.unwrap();
    }
    for _ in 0..2 {
        store.write(&tenure, &at(2), behind(1, "same")).await.unwrap();
    }
    store.write(&tenure, &at(3), behind(2, "same")).await.unwrap();
    store.write(&tenure, &at(3), behind(3, "more")).await.unwrap();
    let (_, loaded) = store.acquire("scoring", 0).await.unwrap();
    assert_eq!(loaded, save(at(3), &["all", "same", "same", "more"]));

    let late = store.write(&tenure, &at(3), behind(3, "more")).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
}

pub(crate) async fn nothing_can_be_kept_that_is_not_there(database: &Database) {
    let store = database.open().await;
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    let refused = store.write(&tenure, &at(1), behind(1, "x")).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    let (tenure, none) = store.acquire("scoring", 0).await.unwrap();
    assert_eq!(none, None);
    store.write(&tenure, &at(1), snapshot("all")).await.unwrap();
    let refused = store.write(&tenure, &at(2), behind(2, "x")).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert_eq!(store.acquire("scoring", 0).await.unwrap().1, save(at(1), &["all"]));
}

pub(crate) async fn processors_and_partitions_do_not_interfere(database: &Database) {
    let store = database.open().await;
    let mut tenures = Vec::new();
    for (processor, partition) in [("scoring", 0), ("scoring", 1), ("churn-warning", 0)] {
        let (tenure, _) = store.acquire(processor, partition).await.unwrap();
        store.write(&tenure, &at(1), snapshot(format!("{processor} {partition}"))).await.unwrap();
        tenures.push(tenure);
    }
    store.acquire("scoring", 1).await.unwrap();
    for (n, tenure) in tenures.iter().enumerate() {
        let written = store.write(tenure, &at(2), snapshot("again")).await;
        assert_eq!(written.is_err(), n == 1, "{tenure:?}: {written:?}");
    }
    assert_eq!(store.acquire("scoring", 1).await.unwrap().1, save(at(1), &["scoring 1"]));
    assert_eq!(store.acquire("scoring", 0).await.unwrap().1, save(at(2), &["again"]));
}

pub(crate) async fn large_segments_come_back(database: &Database) {
    let store = database.open().await;
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    // The first fills its rows, the second doesn't.
    let mut bytes: Vec<u8> = (0..5 << 22_u32).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    store.write(&tenure, &at(1), snapshot(bytes.clone())).await.unwrap();
    bytes.reverse();
    bytes.push(7);
    store.write(&tenure, &at(2), behind(1, bytes.clone())).await.unwrap();
    let segments = store.acquire("scoring", 0).await.unwrap().1.unwrap().segments;
    assert!(segments[1] == bytes);
    bytes.pop();
    bytes.reverse();
    assert!(segments[0] == bytes);
}

pub(crate) async fn positions_show_where_all_stand(database: &Database) {
    let store = database.open().await;
    let before = store.clock_ms().await.unwrap();
    for (processor, partition) in [("scoring", 1), ("scoring", 0), ("churn-warning", 0)] {
        let (tenure, _) = store.acquire(processor, partition).await.unwrap();
        store.write(&tenure, &at(u64::from(partition) + 7), snapshot("all")).await.unwrap();
    }
    store.acquire("scoring", 1).await.unwrap();
    store.acquire("scoring", 2).await.unwrap();
    let after = store.clock_ms().await.unwrap();

    let standings = store.positions().await.unwrap();
    assert!(standings.iter().all(|standing| (before..=after).contains(&standing.saved_at_ms)), "{standings:?}");
    let standings: Vec<_> =
        standings.iter().map(|s| (s.processor.as_str(), s.partition, s.epoch, s.position.clone())).collect();
    let expected = [("churn-warning", 0, 1, at(7)), ("scoring", 0, 1, at(7)), ("scoring", 1, 2, at(8))];
    assert_eq!(standings, expected);
}

pub(crate) async fn a_position_keeps_every_value(database: &Database) {
    let store = database.open().await;
    let output = OutputEnd { topic: "\"'\\ü".to_owned(), partition: u32::MAX, log_id: String::new(), end: u64::MAX };
    let position = Position { input_log_id: "'; --".to_owned(), next_offset: u64::MAX, outputs: vec![output] };
    let (tenure, _) = store.acquire("scoring", u32::MAX).await.unwrap();
    store.write(&tenure, &position, snapshot("")).await.unwrap();
    assert_eq!(store.positions().await.unwrap()[0].position, position);
    let (_, loaded) = store.acquire("scoring", u32::MAX).await.unwrap();
    assert_eq!(loaded, save(position, &[""]));
}
