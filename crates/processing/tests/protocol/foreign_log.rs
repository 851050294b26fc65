//! A log that is not the one a save was made of is refused, saying what to do, and not tried again.

use tiermesh_event_log::EventLog;
use tiermesh_processing::RunError;
use tiermesh_store::{Position, Segment};

use crate::{
    counting::{COUNTS, INPUT, SERVICE, words},
    stage::{Stage, fold},
};

/// A stage on which a service ran, saved and was stopped.
fn saved() -> Stage {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, words(0..10)).await;
        life.until_saved_to(0, 11).await;
        service.stop(life).await;
    });
    stage
}

/// Runs the service once more: it is to give up over a foreign log.
fn refused(stage: &Stage) -> String {
    stage.life(async |life| {
        let before = life.saves().await.remove(&0).unwrap();
        let error = life.serve().failure(life).await;
        let after = life.saves().await.remove(&0).unwrap();
        assert_eq!(after.epoch, before.epoch + 1, "it is not tried again");
        assert_eq!(after.position, before.position);
        assert!(matches!(error, RunError::ForeignLog { partition: 0, .. }), "{error:?}");
        error.to_string()
    })
}

#[test]
fn a_replaced_input_is_refused() {
    let stage = saved();
    stage.log.replace_topic(INPUT).unwrap();
    let said = refused(&stage);
    for part in ["counting", "partition 0", INPUT, "log id", "emove the saves of `counting`"] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
}

#[test]
fn an_input_that_was_cut_behind_the_save_is_refused() {
    let stage = saved();
    stage.life(async |life| {
        let (mut engine, _) = fold(&stage.records(INPUT, 0), 0);
        let (tenure, save) = life.store.acquire(SERVICE, 0).await.unwrap();
        // As if ten more records had been there when it was saved.
        let position = Position { next_offset: 21, ..save.unwrap().position };
        life.store.write(&tenure, &position, Segment { bytes: engine.snapshot(), keep: 0 }).await.unwrap();
    });
    let said = refused(&stage);
    for part in [INPUT, "ends at 11", "stands at 21"] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
}

#[test]
fn a_replaced_output_is_refused() {
    let stage = saved();
    stage.log.replace_topic(COUNTS).unwrap();
    // Somebody filled it again: it is not too short, it is another.
    stage.life(async |life| life.append_to(COUNTS, 0, words(0..100)).await);
    let said = refused(&stage);
    for part in [COUNTS, "replaced", "emove the saves of `counting`"] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
}

#[test]
fn an_output_that_was_cut_behind_the_save_is_refused() {
    let stage = saved();
    stage.life(async |life| {
        let (mut engine, _) = fold(&stage.records(INPUT, 0), 0);
        let (tenure, save) = life.store.acquire(SERVICE, 0).await.unwrap();
        let mut position = save.unwrap().position;
        for output in &mut position.outputs {
            output.end += 5;
        }
        life.store.write(&tenure, &position, Segment { bytes: engine.snapshot(), keep: 0 }).await.unwrap();
    });
    assert!(refused(&stage).contains(COUNTS));
}

/// Records that a save stands for may go; those after it must not.
#[test]
fn an_input_that_lost_what_is_still_to_be_folded_is_refused() {
    let stage = saved();
    stage.life(async |life| {
        life.append(0, words(10..20)).await;
        life.log.cut(INPUT, 0, 15).unwrap();
        assert_eq!(life.log.extent(INPUT, 0).await.unwrap().start, 15);
        let error = life.serve().failure(life).await.to_string();
        for part in [INPUT, "partition 0", "offset 11", "15..21"] {
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
        assert_eq!(life.saved_to(0).await, 11);
    });
}
