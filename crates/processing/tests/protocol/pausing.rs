//! What is slow keeps folding from running ahead, and keeps nobody from hearing what he is told.

use prost::Message;
use tiermesh_domain::fold::{Effect, Fold, FoldError, Packed};
use tiermesh_event_log::NewRecord;
use tiermesh_processing::Processor;

use crate::{
    counting::{COUNTS, INPUT, SERVICE, words},
    stage::{Stage, fold},
};

/// A save waits for acknowledgements while folding goes on, and is of the state and the ends of when it was packed.
#[test]
fn folding_goes_on_while_a_save_waits() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let _service = life.serve();
        life.append(0, words(0..10)).await;
        life.until_saved_to(0, 11).await;

        let held = life.log.hold_acks();
        life.append(0, words(10..20)).await;
        life.until("all is said", async || stage.is_complete(0)).await;
        // Long enough for a save to be due.
        for _ in 0..4 {
            life.pass(500).await;
        }
        life.append(0, words(20..40)).await;
        life.until("that is said all the same", async || stage.is_complete(0)).await;
        assert_eq!(life.saved_to(0).await, 11, "nothing is acknowledged");

        drop(held);
        life.until("the save that waited is written", async || life.saved_to(0).await > 11).await;
        let position = life.saves().await.remove(&0).unwrap().position;
        assert_eq!(position.next_offset, 21, "the state of when it was packed");
        let (_, said) = fold(&stage.records(INPUT, 0)[..20], 0);
        let counts = said.iter().filter(|out| out.topic == COUNTS).count() as u64;
        let end = position.outputs.iter().find(|output| output.topic == COUNTS).unwrap().end;
        assert_eq!(end, 1 + counts, "the end of what that state said");
    });
    // It crashed: what was said beyond the save is found and not said again.
    stage.life(async |life| {
        let service = life.serve();
        life.until_saved_to(0, 41).await;
        service.stop(life).await;
    });
    stage.assert_tidy(0);
}

#[test]
fn a_producer_that_has_no_room_holds_up_reading_and_no_order() {
    for is_lost in [true, false] {
        let stage = Stage::new(1);
        stage.life(async |life| {
            let service = life.serve();
            life.append(0, words(0..10)).await;
            life.until_saved_to(0, 11).await;

            life.gate.hold_sends(true);
            for _ in 0..10 {
                life.append(0, words(10..2_010)).await;
                life.pass(100).await;
            }
            assert!(life.gate.passed() <= 10 + 2_000, "{} were read with nowhere to say it", life.gate.passed());
            if is_lost {
                assert!(life.log.lose_partitions(SERVICE, INPUT, 0));
                let anew = async || life.saves().await[&0].epoch == 2;
                life.until("the partition is taken over anew", anew).await;
            } else {
                // It is given up unsaved: what can't be said can't be saved.
                service.stop.cancel();
                life.until("the service stops", async || service.task.is_finished()).await;
            }
            assert_eq!(life.saved_to(0).await, 11);
            life.gate.hold_sends(false);
        });
        stage.life(async |life| {
            let service = life.serve();
            life.until_saved_to(0, 20_011).await;
            service.stop(life).await;
        });
        stage.assert_heard_in_full(0);
    }
}

/// Folds records to nothing.
#[derive(Debug, Clone, Copy)]
struct Silence;

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

impl Fold for Silence {
    type Input = Nothing;

    fn apply(&mut self, _: &Nothing, _: &mut Vec<Effect>) -> Result<(), FoldError> {
        Ok(())
    }

    fn snapshot(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn delta(&mut self) -> Packed {
        Packed { bytes: Vec::new(), round_complete: true }
    }

    fn load(&mut self, _: &[Vec<u8>]) -> Result<(), FoldError> {
        Ok(())
    }
}

impl Processor for Silence {
    type Fold = Self;

    fn service(&self) -> &'static str {
        SERVICE
    }

    fn input(&self) -> &'static str {
        INPUT
    }

    fn outputs(&self, _: u32) -> Vec<(&'static str, u32)> {
        Vec::new()
    }

    fn fold(&self) -> Self {
        *self
    }
}

#[test]
fn a_database_that_is_away_lets_so_much_be_folded_and_no_more() {
    const MOST: u64 = 500_000;
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve_as(Silence);
        life.append(0, vec![NewRecord::default()]).await;
        life.until_saved_to(0, 2).await;
        let busy = stage.keep_database_busy().await;
        for _ in 0..30 {
            life.append(0, vec![NewRecord::default(); 20_000]).await;
        }
        let is_paused = || life.health.troubles().iter().any(|trouble| trouble.contains("reading pauses"));
        for _ in 0..2_000 {
            life.pass_regardless(1).await;
            if is_paused() {
                break;
            }
        }
        assert!(is_paused());
        assert!((MOST..MOST + 2_001).contains(&life.gate.passed()), "{} were read", life.gate.passed());
        drop(busy);
        life.until_saved_to(0, 600_002).await;
        assert_eq!(life.health.troubles(), [""; 0]);
        service.stop(life).await;
    });
}
