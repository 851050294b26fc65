//! The fence: who was deposed never overwrites its successor's save, and starts anew if the partition is still its.

use tiermesh_store::{Position, Segment};

use crate::{
    counting::{INPUT, SERVICE, words},
    stage::{Stage, fold},
};

#[test]
fn a_deposed_owner_starts_anew_from_its_successors_save() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, words(0..10)).await;
        life.until_saved_to(0, 11).await;
        let before = life.saves().await.remove(&0).unwrap();

        // Somebody else takes over, and saves what it folded: more than the first had saved.
        life.append(0, words(10..15)).await;
        let (mut engine, _) = fold(&stage.records(INPUT, 0), 0);
        let (tenure, _) = life.store.acquire(SERVICE, 0).await.unwrap();
        assert_eq!(tenure.epoch, before.epoch + 1);
        let theirs = Position { next_offset: 16, ..before.position };
        life.store.write(&tenure, &theirs, Segment { bytes: engine.snapshot(), keep: 0 }).await.unwrap();

        life.append(0, words(15..30)).await;
        let deposed = async || {
            let save = life.saves().await.remove(&0).unwrap();
            assert_eq!(save.position, theirs, "the deposed overwrote its successor's save");
            save.epoch > tenure.epoch
        };
        life.until("the first starts anew", deposed).await;
        life.until_saved_to(0, 31).await;
        assert!(!service.task.is_finished());
        service.stop(life).await;
    });
    stage.assert_heard_in_full(0);
}

/// It finds out only when it saves: until then it may have said what its successor says too.
#[test]
fn a_deposed_owner_that_is_told_to_stop_saves_nothing() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, words(0..10)).await;
        life.until_saved_to(0, 11).await;
        life.append(0, words(10..20)).await;
        life.until("all is said", async || stage.is_complete(0)).await;
        let (tenure, _) = life.store.acquire(SERVICE, 0).await.unwrap();
        service.stop(life).await;
        let save = life.saves().await.remove(&0).unwrap();
        assert_eq!((save.epoch, save.position.next_offset), (tenure.epoch, 11));
    });
    stage.assert_tidy(0);
}
