//! A full disk fails what is written, and nothing after there is room again.

use tiermesh_store::{SaveStore, StoreError};
use tiermesh_testkit::SmallDisk;

use crate::database::{at, snapshot};

#[tokio::test]
async fn once_there_is_room_again_saves_are_written() {
    let disk = match SmallDisk::mount(8) {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("NOT TESTED: full disks: {reason}"),
    };
    let store = SaveStore::open(&format!("sqlite://{}", disk.path().join("state.db").display())).await.unwrap();
    let (tenure, _) = store.acquire("scoring", 0).await.unwrap();
    disk.fill();
    for _ in 0..3 {
        let error = store.write(&tenure, &at(1), snapshot(vec![1; 1_000_000])).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(reason) if reason.contains("full")), "{error}");
    }
    disk.free();
    store.write(&tenure, &at(2), snapshot(vec![2; 1_000_000])).await.unwrap();
    let (_, save) = store.acquire("scoring", 0).await.unwrap();
    assert_eq!(save.unwrap().position.next_offset, 2);
}
