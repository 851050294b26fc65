//! A failed delivery: everything is dropped, and the service starts anew from its save.

use crate::{
    counting::{SERVICE, words},
    stage::Stage,
};

#[test]
fn a_failed_delivery_is_mended_from_the_save() {
    for written in [0, 1, 5, usize::MAX] {
        let stage = Stage::new(2);
        stage.life(async |life| {
            let service = life.serve();
            for partition in 0..2 {
                life.append(partition, words(0..10)).await;
                life.until_saved_to(partition, 11).await;
            }
            let epochs = life.saves().await.into_values().map(|save| save.epoch).collect::<Vec<_>>();
            life.log.fail_next_delivery(SERVICE, written);
            for partition in 0..2 {
                life.append(partition, words(10..20)).await;
            }
            life.until("all is said", async || stage.is_complete(0) && stage.is_complete(1)).await;
            life.until_saved_to(0, 21).await;
            life.until_saved_to(1, 21).await;
            for (save, before) in life.saves().await.into_values().zip(epochs) {
                assert_eq!(save.epoch, before + 1, "one failure stops all partitions of the producer, once");
            }
            service.stop(life).await;
        });
        stage.assert_tidy(0);
        stage.assert_tidy(1);
    }
}

#[test]
fn a_delivery_that_fails_again_and_again_is_tried_again_and_again() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, words(0..40)).await;
        life.until_saved_to(0, 41).await;
        for failure in 0..6 {
            let before = life.saves().await[&0].epoch;
            life.log.fail_next_delivery(SERVICE, failure);
            life.append(0, words(40 + failure as u64..41 + failure as u64)).await;
            life.until_saved_to(0, 42 + failure as u64).await;
            assert_eq!(life.saves().await[&0].epoch, before + 1, "failure {failure}");
        }
        life.until("all is said", async || stage.is_complete(0)).await;
        service.stop(life).await;
    });
    stage.assert_tidy(0);
}
