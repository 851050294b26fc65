//! What isn't what was saved is refused.

use tiermesh_store::{SaveStore, StoreError};

use crate::database::{Database, at, behind, snapshot};

/// A save of the segments 1, 2 and 3.
async fn saved(database: &Database) -> SaveStore {
    let store = database.open().await;
    let (tenure, _) = store.acquire("scoring", 2).await.unwrap();
    store.write(&tenure, &at(1), snapshot(vec![10, 11, 12])).await.unwrap();
    store.write(&tenure, &at(2), behind(1, vec![20, 21, 22])).await.unwrap();
    store.write(&tenure, &at(3), behind(2, vec![30, 31, 32])).await.unwrap();
    store
}

async fn assert_corrupt(store: &SaveStore, expected: &str) {
    let error = store.acquire("scoring", 2).await.unwrap_err();
    let StoreError::Corrupt { processor, partition, reason } = &error else { panic!("{error}") };
    assert_eq!((processor.as_str(), *partition, reason.as_str()), ("scoring", 2, expected));
}

pub(crate) async fn flipped_bytes_are_noticed(database: &Database) {
    let store = saved(database).await;
    let flipped = database.literal(&[20, 21, 23]);
    database.tamper(&format!("UPDATE save_segments SET bytes = {flipped} WHERE number = 2")).await;
    assert_corrupt(&store, "the checksum of segment 2 is wrong").await;
}

pub(crate) async fn torn_bytes_are_noticed(database: &Database) {
    let store = saved(database).await;
    let torn = database.literal(&[30, 31]);
    database.tamper(&format!("UPDATE save_segments SET bytes = {torn} WHERE number = 3")).await;
    assert_corrupt(&store, "the checksum of segment 3 is wrong").await;
}

pub(crate) async fn a_missing_segment_is_noticed(database: &Database) {
    for number in [3, 2, 1] {
        let store = saved(database).await;
        let first = store.acquire("scoring", 2).await.unwrap().1.unwrap();
        assert_eq!(first.segments.len(), 3);
        let nth = format!("(SELECT min(number) FROM save_segments) + {}", number - 1);
        database.tamper(&format!("DELETE FROM save_segments WHERE number = {nth}")).await;
        let error = store.acquire("scoring", 2).await.unwrap_err().to_string();
        assert!(error.ends_with("is missing"), "{error}");
        // The next round starts anew.
        database.tamper("DELETE FROM saves").await;
        for _ in 0..2 {
            let any = "number = (SELECT min(number) FROM save_segments)";
            database.tamper(&format!("DELETE FROM save_segments WHERE {any}")).await;
        }
    }
}

/// A large segment stands in several rows.
pub(crate) async fn a_missing_part_is_noticed(database: &Database) {
    for part in 0..3 {
        let store = database.open().await;
        let (tenure, _) = store.acquire("scoring", 2).await.unwrap();
        store.write(&tenure, &at(1), snapshot(vec![1; 10_000_000])).await.unwrap();
        store.write(&tenure, &at(2), behind(1, vec![2])).await.unwrap();
        database.tamper(&format!("DELETE FROM save_segments WHERE part = {part} AND parts = 3")).await;
        assert_corrupt(&store, "segment 1 is missing").await;
        database.tamper("DELETE FROM saves").await;
        for left in (0..3).filter(|left| *left != part) {
            database.tamper(&format!("DELETE FROM save_segments WHERE part = {left} AND parts = 3")).await;
        }
        database.tamper("DELETE FROM save_segments").await;
    }
}

pub(crate) async fn a_strange_segment_is_noticed(database: &Database) {
    let store = saved(database).await;
    database.tamper("UPDATE saves SET last_segment = 2").await;
    assert_corrupt(&store, "segment 3 does not belong to it").await;
}

pub(crate) async fn a_wrong_position_is_noticed(database: &Database) {
    let store = saved(database).await;
    for (tampered, restored) in [
        ("next_offset = 4", "next_offset = 3"),
        ("input_log_id = 'im'", "input_log_id = 'in'"),
        ("outputs = replace(outputs, '3', '4')", "outputs = replace(outputs, '4', '3')"),
    ] {
        database.tamper(&format!("UPDATE saves SET {tampered}")).await;
        assert_corrupt(&store, "the checksum of its position is wrong").await;
        database.tamper(&format!("UPDATE saves SET {restored}")).await;
    }
    assert!(store.acquire("scoring", 2).await.unwrap().1.is_some());
    database.tamper("UPDATE saves SET input_log_id = NULL").await;
    assert_corrupt(&store, "its position is missing").await;
}

pub(crate) async fn who_finds_a_corrupt_save_deposes_nobody(database: &Database) {
    let store = database.open().await;
    let (tenure, _) = store.acquire("scoring", 2).await.unwrap();
    store.write(&tenure, &at(1), snapshot(vec![10])).await.unwrap();
    database.tamper("UPDATE save_segments SET crc32 = 0").await;
    assert_corrupt(&store, "the checksum of segment 1 is wrong").await;
    store.write(&tenure, &at(2), snapshot(vec![20])).await.unwrap();
    assert_eq!(store.acquire("scoring", 2).await.unwrap().1.unwrap().segments, [[20]]);
}
