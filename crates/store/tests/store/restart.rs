//! A database that goes away and comes back.

use std::time::{Duration, Instant};

use tiermesh_store::{SaveStore, StoreError};
use tiermesh_testkit::PostgresServer;

use crate::database::{Database, at, behind, snapshot};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_recovers_when_postgres_does() {
    let server = PostgresServer::start();
    let url = server.database();
    let store = SaveStore::open(&url).await.unwrap();
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    store.write(&tenure, &at(1), snapshot(vec![1])).await.unwrap();

    server.restart();
    store.write(&tenure, &at(2), behind(1, vec![2])).await.unwrap();

    server.stop();
    let start = Instant::now();
    let error = store.write(&tenure, &at(3), behind(2, vec![3])).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let password = url.split([':', '@']).nth(2).unwrap();
    assert!(!error.to_string().contains(password), "{error}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));

    server.restart();
    store.ping().await.unwrap();
    store.write(&tenure, &at(3), behind(2, vec![3])).await.unwrap();
    let save = store.acquire("scoring", 0).await.unwrap().1.unwrap();
    assert_eq!((save.position, save.segments), (at(3), vec![vec![1], vec![2], vec![3]]));
}

/// Crashes in the middle of writes: what was answered is there, and a repeated write is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_can_be_repeated_through_crashes() {
    let server = PostgresServer::start();
    let store = SaveStore::open(&server.database()).await.unwrap();
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    store.write(&tenure, &at(0), snapshot(vec![])).await.unwrap();
    let writer = store.clone();
    let writes = tokio::spawn(async move {
        for n in 1..=1_500_u64 {
            while let Err(error) = writer.write(&tenure, &at(n), behind(n, n.to_le_bytes().to_vec())).await {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            }
        }
    });
    while !writes.is_finished() {
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| server.restart());
    }
    writes.await.unwrap();
    let save = store.acquire("scoring", 0).await.unwrap().1.unwrap();
    let numbers: Vec<_> = (1..=1_500_u64).map(|n| n.to_le_bytes().to_vec()).collect();
    assert_eq!((save.position, &save.segments[1..]), (at(1_500), &numbers[..]));
}

#[tokio::test]
async fn a_sqlite_save_outlives_its_store() {
    let database = Database::sqlite();
    let store = database.open().await;
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    store.write(&tenure, &at(1), snapshot(vec![1])).await.unwrap();
    drop(store);
    let (tenure, save) = database.open().await.acquire("scoring", 0).await.unwrap();
    assert_eq!((tenure.epoch, save.unwrap().segments), (2, vec![vec![1]]));
}
