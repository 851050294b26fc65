//! Opening a store, and what is said when that fails.

use std::time::{SystemTime, UNIX_EPOCH};

use tiermesh_store::{SaveStore, StoreError};

use crate::database::{Database, at, snapshot};

pub(crate) async fn it_can_be_opened_again_and_at_once(database: &Database) {
    let stores: Vec<_> = (0..4)
        .map(|_| {
            let url = database.url.clone();
            tokio::spawn(async move { SaveStore::open(&url).await.unwrap() })
        })
        .collect();
    for (partition, store) in stores.into_iter().enumerate() {
        let store = store.await.unwrap();
        let (tenure, _) = store.acquire("scoring", u32::try_from(partition).unwrap()).await.unwrap();
        store.write(&tenure, &at(1), snapshot(vec![1])).await.unwrap();
    }
    assert_eq!(database.open().await.positions().await.unwrap().len(), 4);
}

pub(crate) async fn it_lives_and_has_a_clock(database: &Database) {
    let store = database.open().await;
    store.ping().await.unwrap();
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let there = u128::try_from(store.clock_ms().await.unwrap()).unwrap();
    assert!(here.abs_diff(there) < 5_000, "{here}, {there}");
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_repeating_it() {
    for url in ["mysql://me:secret@host/db", "secret", "sqlite://", "sqlite::memory:", "sqlite://:memory:"] {
        let error = SaveStore::open(url).await.unwrap_err();
        assert!(matches!(error, StoreError::BadUrl(_)), "{error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error = SaveStore::open("postgres://me:secret@host:port/db").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "store `postgres://… (error with configuration: invalid port number)`: expected `postgres://…` or `sqlite://…`"
    );
}

#[tokio::test]
async fn who_cannot_be_reached_is_named_without_the_password() {
    let port = tiermesh_testkit::free_port();
    let error = SaveStore::open(&format!("postgres://me:secret@127.0.0.1:{port}/mesh")).await.unwrap_err().to_string();
    let place = format!("the database is not available: postgres://127.0.0.1:{port}/mesh: migrating: ");
    assert!(error.starts_with(&place) && !error.contains("secret"), "{error}");

    let error = SaveStore::open("sqlite:///no/such/directory/store.db").await.unwrap_err().to_string();
    let place = "the database is not available: sqlite:///no/such/directory/store.db: migrating: ";
    assert!(error.starts_with(place), "{error}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_no_passing_failure() {
    let url = tiermesh_testkit::postgres();
    let (server, _) = url.rsplit_once('/').unwrap();
    let error = SaveStore::open(&format!("{server}/nosuch")).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("nosuch") && error.to_string().contains("--store"), "{error}");
}
