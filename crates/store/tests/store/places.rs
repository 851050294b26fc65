//! A consumer's place moves from where it stands, or not at all.

use std::collections::BTreeMap;

use tiermesh_store::{Place, Step, StoreError};

use crate::database::Database;

fn place(next_offset: u64) -> Place {
    let marks = BTreeMap::from([("scoring/3".to_owned(), next_offset / 2), ("\"'\\ü/0".to_owned(), u64::MAX)]);
    Place { log_id: "log".to_owned(), next_offset, marks }
}

fn step<'a>(before: Option<&'a Place>, after: &'a Place) -> Step<'a> {
    Step { consumer: "console", topic: "tier.changes", partition: 3, before, after }
}

pub(crate) async fn a_place_moves_on_and_comes_back(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.place("console", "tier.changes", 3).await.unwrap(), None);
    store.advance(step(None, &place(5))).await.unwrap();
    store.advance(step(Some(&place(5)), &place(u64::MAX))).await.unwrap();
    assert_eq!(database.open().await.place("console", "tier.changes", 3).await.unwrap(), Some(place(u64::MAX)));
    for (consumer, topic, partition) in
        [("other", "tier.changes", 3), ("console", "churn.signals", 3), ("console", "tier.changes", 2)]
    {
        assert_eq!(store.place(consumer, topic, partition).await.unwrap(), None);
    }
}

pub(crate) async fn a_place_moves_only_from_where_it_stands(database: &Database) {
    let store = database.open().await;
    let overtaken = async |before: Option<&Place>, after: &Place| {
        let moved = store.advance(step(before, after)).await;
        assert!(matches!(moved, Err(StoreError::Overtaken { partition: 3, .. })), "{moved:?}");
    };
    overtaken(Some(&place(1)), &place(2)).await;
    store.advance(step(None, &place(2))).await.unwrap();
    overtaken(None, &place(3)).await;
    overtaken(Some(&place(1)), &place(3)).await;
    let of_another_log = Place { log_id: "other".to_owned(), ..place(3) };
    overtaken(Some(&place(2)), &of_another_log).await;
    assert_eq!(store.place("console", "tier.changes", 3).await.unwrap(), Some(place(2)));
}

pub(crate) async fn of_two_who_take_the_same_one_moves_the_place(database: &Database) {
    let store = database.open().await;
    let mut before = None;
    for at in 1..=20 {
        let racing = (0..4).map(|_| {
            let (store, before) = (store.clone(), before.clone());
            tokio::spawn(async move { store.advance(step(before.as_ref(), &place(at))).await.is_ok() })
        });
        let mut winners = 0;
        for racer in racing.collect::<Vec<_>>() {
            winners += u32::from(racer.await.unwrap());
        }
        assert_eq!(winners, 1);
        before = Some(place(at));
    }
}
