//! Only the owner writes, whatever the timing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tiermesh_store::{StoreError, Tenure};

use crate::database::{Database, at, behind, snapshot};

pub(crate) async fn who_was_deposed_cannot_write(database: &Database) {
    let (ours, theirs) = (database.open().await, database.open().await);
    let (old, _) = ours.acquire("scoring", 5).await.unwrap();
    ours.write(&old, &at(1), snapshot(vec![1])).await.unwrap();

    let (new, save) = theirs.acquire("scoring", 5).await.unwrap();
    assert_eq!(save.unwrap().segments, [[1]]);
    let deposed = ours.write(&old, &at(2), snapshot(vec![2])).await.unwrap_err();
    let StoreError::Fenced { processor, partition, held, current } = &deposed else { panic!("{deposed}") };
    assert_eq!((processor.as_str(), *partition, *held, *current), ("scoring", 5, old.epoch, new.epoch));

    theirs.write(&new, &at(3), behind(1, vec![3])).await.unwrap();
    let (_, save) = ours.acquire("scoring", 5).await.unwrap();
    let save = save.unwrap();
    assert_eq!((save.position, save.segments), (at(3), vec![vec![1], vec![3]]));
}

pub(crate) async fn the_unknown_are_fenced(database: &Database) {
    let store = database.open().await;
    let tenure = Tenure { processor: "scoring".to_owned(), partition: 0, epoch: 1 };
    let unknown = store.write(&tenure, &at(1), snapshot(vec![1])).await;
    assert!(matches!(unknown, Err(StoreError::Fenced { held: 1, current: 0, .. })), "{unknown:?}");
}

/// While one owner writes without pause, others acquire: each finds exactly what its predecessor was told is written.
pub(crate) async fn nothing_is_written_behind_the_back_of_an_acquirer(database: &Database) {
    let store = database.open().await;
    let (mut tenure, _) = store.acquire("scoring", 0).await.unwrap();
    store.write(&tenure, &at(0), snapshot(vec![])).await.unwrap();
    let mut written = 1;
    for _ in 0..20 {
        let writer = database.open().await;
        let told = Arc::new(AtomicU64::new(written));
        let counter = Arc::clone(&told);
        let owner = tokio::spawn(async move {
            loop {
                let next = counter.load(Ordering::SeqCst);
                match writer.write(&tenure, &at(next), behind(next, next.to_le_bytes().to_vec())).await {
                    Ok(()) => counter.store(next + 1, Ordering::SeqCst),
                    Err(StoreError::Fenced { .. }) => return next,
                    Err(other) => panic!("{other}"),
                }
            }
        });
        let enough = told.load(Ordering::SeqCst) + 3;
        while told.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
        let (next, save) = store.acquire("scoring", 0).await.unwrap();
        written = owner.await.unwrap();
        let save = save.unwrap();
        assert_eq!(save.position, at(written - 1));
        assert_eq!(save.segments.len() as u64, written);
        tenure = next;
    }
}

pub(crate) async fn of_many_acquirers_one_is_left(database: &Database) {
    let store = database.open().await;
    let acquirers = (0..30).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.acquire("scoring", 0).await.unwrap().0 })
    });
    let mut tenures = Vec::new();
    for acquirer in acquirers.collect::<Vec<_>>() {
        tenures.push(acquirer.await.unwrap());
    }
    tenures.sort_by_key(|tenure| tenure.epoch);
    assert_eq!(tenures.iter().map(|tenure| tenure.epoch).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>());
    for tenure in &tenures {
        let written = store.write(tenure, &at(1), snapshot(vec![])).await;
        assert_eq!(written.is_ok(), tenure.epoch == 30);
    }
}
