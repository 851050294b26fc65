//! The save trails the acknowledgements: no save stands for a record whose outputs may still be lost.

use crate::{
    counting::{COUNTS, words},
    stage::Stage,
};

#[test]
fn nothing_is_saved_beyond_what_is_acknowledged() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, words(0..10)).await;
        life.until_saved_to(0, 11).await;

        let held = life.log.hold_acks();
        life.append(0, words(10..20)).await;
        life.until("all is said", async || stage.is_complete(0)).await;
        let said = stage.records(COUNTS, 0).len();
        for step in 0..40 {
            life.pass(500).await;
            assert_eq!(life.saved_to(0).await, 11, "the first output of record 11 is not acknowledged");
            // What comes meanwhile changes nothing about that.
            life.append(0, words(20 + step..21 + step)).await;
        }

        drop(held);
        life.until_saved_to(0, 61).await;
        assert!(stage.records(COUNTS, 0).len() > said);
        service.stop(life).await;
    });
    stage.assert_tidy(0);
}

/// Outputs that were not acknowledged may be gone after a crash; whoever comes next says them.
#[test]
fn what_a_crash_took_from_the_log_is_said_again() {
    for written in 0..8 {
        let stage = Stage::new(1);
        stage.life(async |life| {
            life.append(0, words(0..10)).await;
            let _service = life.serve();
            life.until_saved_to(0, 11).await;
            // Ten outputs and more are sent at once; the log has `written` of them when the process dies.
            life.log.fail_next_delivery(crate::counting::SERVICE, written);
            let before = stage.records(COUNTS, 0).len();
            life.append(0, words(10..20)).await;
            life.until("some are written", async || stage.records(COUNTS, 0).len() >= before + written).await;
        });
        stage.life(async |life| {
            let service = life.serve();
            life.until("all is said", async || stage.is_complete(0)).await;
            service.stop(life).await;
        });
        stage.assert_tidy(0);
    }
}
