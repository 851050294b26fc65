//! Ready: the service takes part in its group, and each partition it owns has recovered.

use std::sync::Arc;

use tiermesh_event_log::EventLog;
use tiermesh_processing::{ServiceContext, run_service};
use tiermesh_service_host::Health;
use tokio_util::sync::CancellationToken;

use crate::{
    counting::{Counting, SERVICE, words},
    stage::{Life, Stage},
};

async fn until_ready(life: &Life, health: &Health) {
    life.until("it is ready", async || health.waiting().is_empty()).await;
}

#[test]
fn a_service_is_ready_once_all_its_partitions_have_recovered() {
    let stage = Stage::new(2);
    stage.life(async |life| {
        let busy = stage.keep_database_busy().await;
        let service = life.serve();
        assert_eq!(life.health.waiting(), [""; 0], "it has not begun");
        for _ in 0..20 {
            life.pass_regardless(50).await;
        }
        let waiting = [0, 1].map(|partition| format!("{SERVICE}: recovering partition {partition}"));
        assert_eq!(life.health.waiting(), waiting);
        drop(busy);
        until_ready(life, &life.health).await;
        service.stop(life).await;
    });
}

#[test]
fn a_service_without_a_partition_is_ready() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let first = life.serve();
        until_ready(life, &life.health).await;
        life.append(0, words(0..3)).await;
        life.until_saved_to(0, 4).await;

        let (health, stop) = (Health::default(), CancellationToken::new());
        let log = Arc::clone(&life.gate) as Arc<dyn EventLog>;
        let context = ServiceContext { log, store: life.store.clone(), stop: stop.clone(), health: health.clone() };
        let second = tokio::spawn(run_service(Counting, context));
        // From its first step on it waits for its part in the group.
        life.pass(1).await;
        until_ready(life, &health).await;
        assert!(!second.is_finished());
        stop.cancel();
        second.await.unwrap().unwrap();
        first.stop(life).await;
    });
}

#[test]
fn a_service_that_starts_anew_is_not_ready_meanwhile() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, words(0..3)).await;
        life.until_saved_to(0, 4).await;
        life.log.fail_next_delivery(SERVICE, 0);
        life.append(0, words(3..6)).await;
        let mut reason = String::new();
        // In steps shorter than the wait before it starts anew.
        for _ in 0..100 {
            life.pass(10).await;
            if let Some(waiting) = life.health.waiting().first() {
                reason = waiting.clone();
                break;
            }
        }
        assert!(reason.starts_with("counting: starting anew after a failure (delivery failed"), "{reason}");
        life.until_saved_to(0, 7).await;
        assert_eq!(life.health.waiting(), [""; 0]);
        service.stop(life).await;
    });
}
