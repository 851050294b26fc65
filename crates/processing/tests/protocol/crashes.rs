//! Crashes anywhere: after the restart outputs are complete, in the same bytes, and none is said twice.

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    counting::{COUNTS, INPUT, SERVICE, THIRDS, words},
    stage::{Life, Stage},
};

/// More than a partition folds at a time.
const MORE_THAN_A_BATCH: u64 = 2_300;

#[test]
fn a_crash_after_any_record_leaves_nothing_out_and_nothing_twice() {
    const RECORDS: u64 = 14;
    for saved in 0..RECORDS {
        for crashed in [saved, saved + 1, saved + 4] {
            let stage = Stage::new(1);
            stage.life(async |life| {
                life.append(0, words(0..RECORDS)).await;
                life.gate.hold_from(1 + saved);
                let _service = life.serve();
                life.until_saved_to(0, if saved == 0 { 0 } else { 1 + saved }).await;
                life.gate.hold_from(1 + crashed);
                let said = spoken(&stage, crashed.min(RECORDS));
                life.until("it has come so far", async || stage.records(COUNTS, 0).len() >= said).await;
            });
            finish(&stage);
            stage.assert_tidy(0);
        }
    }
}

/// How many counts so many records lead to.
fn spoken(stage: &Stage, records: u64) -> usize {
    let (_, said) = crate::stage::fold(&stage.records(INPUT, 0)[..records as usize], 0);
    said.iter().filter(|out| out.topic == COUNTS).count()
}

/// A last life, in which nothing goes wrong.
fn finish(stage: &Stage) {
    stage.life(async |life| {
        let service = life.serve();
        life.until_saved_to(0, 1 + stage.records(INPUT, 0).len() as u64).await;
        service.stop(life).await;
    });
}

#[test]
fn lives_full_of_faults_leave_nothing_out_and_nothing_twice() {
    for seed in 0..25 {
        let random = &mut StdRng::seed_from_u64(seed);
        let stage = Stage::new(1);
        let mut appended = 0;
        for _ in 0..random.random_range(2..7) {
            stage.life(async |life| troubled(life, random, &mut appended).await);
        }
        finish(&stage);
        stage.assert_tidy(0);
    }
}

/// A life that ends in a crash, and has its troubles before that.
async fn troubled(life: &Life, random: &mut StdRng, appended: &mut u64) {
    let mut gate = life.saved_to(0).await;
    life.gate.hold_from(gate);
    let mut service = life.serve();
    let mut held = None;
    for _ in 0..random.random_range(1..40) {
        match random.random_range(0..20) {
            0..4 => {
                let more = random.random_range(1..60);
                life.append(0, words(*appended..*appended + more)).await;
                *appended += more;
            }
            4..10 => {
                gate += random.random_range(1..40);
                life.gate.hold_from(gate);
            }
            10 => life.log.fail_next_delivery(SERVICE, random.random_range(0..10)),
            11 => held = Some(life.log.hold_acks()),
            12 => drop(held.take()),
            13 => drop(life.log.lose_partitions(SERVICE, INPUT, 0)),
            14 => {
                service.stop.cancel();
                drop(held.take());
                life.until("the service stops", async || service.task.is_finished()).await;
                service = life.serve();
            }
            _ => {}
        }
        life.pass(random.random_range(0..900)).await;
    }
}

/// A save that is made while outputs of a former life are still ahead must not let them be forgotten.
#[test]
fn a_crash_while_catching_up_leaves_nothing_twice() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        life.append(0, words(0..MORE_THAN_A_BATCH)).await;
        let _service = life.serve();
        life.until("all is said", async || stage.is_complete(0)).await;
        assert_eq!(life.saved_to(0).await, 0, "it crashes before it saves");
    });
    stage.life(async |life| {
        life.gate.hold_from(100);
        let _service = life.serve();
        life.until_saved_to(0, 100).await;
    });
    finish(&stage);
    stage.assert_tidy(0);
    // Caught up with: nobody has to read it again.
    let ends = stage.life(async |life| life.saves().await[&0].position.outputs.clone());
    for end in ends {
        assert_eq!(end.end, 1 + stage.records(&end.topic, 0).len() as u64, "{}", end.topic);
    }
}

/// The service's task alone is dropped, and another takes over in the same process, at once.
#[test]
fn a_service_that_is_dropped_can_be_followed_at_once() {
    for steps in 0..12 {
        let stage = Stage::new(1);
        stage.life(async |life| {
            life.append(0, words(0..50)).await;
            life.gate.hold_from(20);
            let first = life.serve();
            for _ in 0..steps {
                life.pass(150).await;
            }
            first.task.abort();
            life.gate.hold_from(u64::MAX);
            let second = life.serve();
            life.until("all is said", async || stage.is_complete(0)).await;
            second.stop(life).await;
        });
        stage.assert_heard_in_full(0);
    }
}

/// What stands last in an output partition need not be the latest: a deposed owner may have repeated itself there.
#[test]
fn the_greatest_sequence_in_the_log_counts_not_the_last() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        life.append(0, words(0..30)).await;
        let _service = life.serve();
        life.until("all is said", async || stage.is_complete(0)).await;
        assert_eq!(life.saved_to(0).await, 0, "it crashes before it saves");
    });
    stage.life(async |life| {
        for topic in [COUNTS, THIRDS] {
            let repeated = stage.expected(topic, 0)[1..4].to_vec();
            life.append_to(topic, 0, repeated).await;
        }
        life.append(0, words(30..40)).await;
    });
    finish(&stage);
    stage.assert_heard_in_full(0);
    for topic in [COUNTS, THIRDS] {
        assert_eq!(stage.records(topic, 0).len(), stage.expected(topic, 0).len() + 3, "{topic}: said again");
    }
}

/// Outputs of others stand in the same topics: of other services, of other partitions.
#[test]
fn what_others_said_is_not_taken_for_ones_own() {
    let stage = Stage::new(2);
    stage.life(async |life| {
        life.append(0, words(0..10)).await;
        life.append(1, words(0..30)).await;
        let from_elsewhere = stage.expected(COUNTS, 1);
        let mut of_another = stage.expected(COUNTS, 0);
        for record in &mut of_another {
            let headers = record.headers.iter().map(|(name, value)| (name, value.replace(SERVICE, "another")));
            record.headers = headers.collect();
        }
        let before = from_elsewhere.len() + of_another.len();
        life.append_to(COUNTS, 0, from_elsewhere).await;
        life.append_to(COUNTS, 0, of_another).await;
        let service = life.serve();
        let own = stage.expected(COUNTS, 0).len();
        life.until("all is said", async || stage.records(COUNTS, 0).len() == before + own).await;
        life.until_saved_to(0, 11).await;
        service.stop(life).await;
    });
}
