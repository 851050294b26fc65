//! Partitions come and go: what is revoked is saved first, what is lost is not, and members take over from each other.

use crate::{
    counting::{INPUT, SERVICE, words},
    stage::{Life, Stage},
};

const PARTITIONS: u32 = 4;

async fn append_to_all(life: &Life, numbers: std::ops::Range<u64>) {
    for partition in 0..PARTITIONS {
        life.append(partition, words(numbers.clone())).await;
    }
}

async fn until_all_said(life: &Life, stage: &Stage) {
    life.until("all is said", async || (0..PARTITIONS).all(|partition| stage.is_complete(partition))).await;
}

#[test]
fn members_share_partitions_and_hand_them_over_saved() {
    let stage = Stage::new(PARTITIONS);
    stage.life(async |life| {
        let first = life.serve();
        append_to_all(life, 0..10).await;
        until_all_said(life, &stage).await;
        for partition in 0..PARTITIONS {
            life.until_saved_to(partition, 11).await;
        }
        append_to_all(life, 10..20).await;
        until_all_said(life, &stage).await;
        let second = life.serve();
        // Half of them move, once; the others stay.
        let moved = async || {
            let saves = life.saves().await;
            for (partition, save) in saves.iter().filter(|(_, save)| save.epoch == 2) {
                assert_eq!(save.position.next_offset, 21, "partition {partition} was handed over unsaved");
            }
            saves.values().map(|save| save.epoch).eq([1, 1, 2, 2])
        };
        life.until("two partitions have moved", moved).await;

        append_to_all(life, 20..30).await;
        until_all_said(life, &stage).await;
        first.stop(life).await;
        // What the first released is saved to its last record, without waiting for the next save to be due.
        for partition in 0..2 {
            assert_eq!(life.saved_to(partition).await, 31);
        }
        append_to_all(life, 30..40).await;
        for partition in 0..PARTITIONS {
            life.until_saved_to(partition, 41).await;
        }
        assert!(life.saves().await.values().all(|save| save.epoch == 2), "two more have moved, and nothing else");
        second.stop(life).await;
    });
    (0..PARTITIONS).for_each(|partition| stage.assert_tidy(partition));
}

/// What is lost is not saved any more, whether its readers end first or the order to let go comes first.
#[test]
fn nothing_is_saved_after_a_loss() {
    // Partitions that are slow to read, and so hear of it by the order alone.
    for slow in [0..0, 0..PARTITIONS, 2..PARTITIONS] {
        let stage = Stage::new(PARTITIONS);
        stage.life(async |life| {
            let service = life.serve();
            append_to_all(life, 0..10).await;
            for partition in 0..PARTITIONS {
                life.until_saved_to(partition, 11).await;
            }
            life.gate.hold_from(16);
            append_to_all(life, 10..15).await;
            for partition in slow {
                life.append(partition, words(15..20)).await;
            }
            life.pass(10).await;
            assert!(life.log.lose_partitions(SERVICE, INPUT, 1));
            // Seen at every step, of which a save of the next owner takes many.
            let anew = async || {
                let saves = life.saves().await;
                for (partition, save) in &saves {
                    assert_eq!(save.position.next_offset, 11, "partition {partition} was saved after its loss");
                }
                saves.values().all(|save| save.epoch == 2)
            };
            life.until("the partitions are taken over anew", anew).await;
            life.gate.hold_from(u64::MAX);
            until_all_said(life, &stage).await;
            service.stop(life).await;
        });
        (0..PARTITIONS).for_each(|partition| stage.assert_tidy(partition));
    }
}

/// A save that is being written when the partition is lost is not written any more.
#[test]
fn a_save_that_has_begun_is_given_up_with_a_loss() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, words(0..10)).await;
        life.until_saved_to(0, 11).await;
        let busy = stage.keep_database_busy().await;
        life.append(0, words(10..20)).await;
        // The database can't be waited for as it is elsewhere: it does not answer.
        for _ in 0..40 {
            life.pass_regardless(50).await;
        }
        assert!(stage.is_complete(0));
        assert!(life.log.lose_partitions(SERVICE, INPUT, 0));
        for _ in 0..40 {
            life.pass_regardless(50).await;
        }
        drop(busy);
        let anew = async || {
            let save = life.saves().await.remove(&0).unwrap();
            assert_eq!(save.position.next_offset, 11, "saved after its loss");
            save.epoch == 2
        };
        life.until("the partition is taken over anew", anew).await;
        life.until_saved_to(0, 21).await;
        service.stop(life).await;
    });
    stage.assert_tidy(0);
}

/// A partition that waits for acknowledgements hears nevertheless that it is lost, and saves nothing when they come.
#[test]
fn a_loss_is_heard_while_acknowledgements_are_awaited() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, words(0..10)).await;
        life.until_saved_to(0, 11).await;
        let held = life.log.hold_acks();
        life.append(0, words(10..20)).await;
        life.until("all is said", async || stage.is_complete(0)).await;
        // Long enough for a save to be due, which has to wait.
        for _ in 0..6 {
            life.pass(500).await;
        }
        assert!(life.log.lose_partitions(SERVICE, INPUT, 0));
        let anew = async || life.saves().await[&0].epoch == 2;
        life.until("the partition is taken over anew", anew).await;
        assert_eq!(life.saved_to(0).await, 11);
        drop(held);
        life.until_saved_to(0, 21).await;
        service.stop(life).await;
    });
    stage.assert_tidy(0);
}

/// A partition that is revoked while the log does not acknowledge is given up unsaved, rather than kept from others.
#[test]
fn a_revoked_partition_is_not_kept_for_ever() {
    let stage = Stage::new(2);
    stage.life(async |life| {
        let first = life.serve();
        for partition in 0..2 {
            life.append(partition, words(0..10)).await;
            life.until_saved_to(partition, 11).await;
        }
        let held = life.log.hold_acks();
        life.append(1, words(10..20)).await;
        life.until("all is said", async || stage.is_complete(1)).await;
        let second = life.serve();
        life.until("the partition is handed over", async || life.saves().await[&1].epoch == 2).await;
        assert_eq!(life.saved_to(1).await, 11);
        drop(held);
        life.until_saved_to(1, 21).await;
        first.stop(life).await;
        second.stop(life).await;
    });
    (0..2).for_each(|partition| stage.assert_tidy(partition));
}
