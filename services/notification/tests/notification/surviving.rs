//! Crashes, several instances, stops: each delivery that should be is there, and its id is the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tiermesh_notification::Settings;

use crate::{
    receiver::Receiver,
    stage::{Stage, changes_to, quick, until},
};

#[tokio::test]
async fn crashes_lose_nothing_and_every_repeat_has_its_id() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let routes = changes_to(&receiver);
    let mut number = 0_u64;
    for round in 0..6 {
        let life = stage.start(&routes).await;
        for _ in 0..30 {
            number += 1;
            stage.say((number % 4) as u32, &stage.change(number, "up").await).await;
        }
        // Somewhere in the midst of it, another place each time.
        until("some have come", async || receiver.ids().len() >= 30 * round + 5 * round).await;
        life.crash().await;
    }
    let life = stage.start(&routes).await;
    stage.until_ledger("delivered", 180).await;
    life.stop().await;
    let customers =
        receiver.messages().into_iter().map(|message| (message.id, message.body["data"]["customer"].to_string()));
    let by_id: BTreeMap<_, _> = customers.collect();
    let customers: BTreeSet<_> = by_id.values().collect();
    assert_eq!((by_id.len(), customers.len()), (180, 180), "one id for each, each told");
    // The ledger's last word is the topic's last word, for each.
    let mut last = BTreeMap::new();
    for told in stage.told() {
        last.insert(told.id, told.state);
    }
    assert_eq!(last.len(), 180);
    assert!(last.values().all(|state| state == "delivered"));
}

#[tokio::test]
async fn an_instance_that_starts_anew_is_not_ready_meanwhile() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let life = stage.start(&changes_to(&receiver)).await;
    until("it is ready", async || life.health.waiting().is_empty()).await;
    let change = stage.change(1, "up").await;
    stage.store.close().await;
    stage.say(0, &change).await;
    let waits = "notification: tier.changes: starting anew after a failure";
    until("it is not", async || life.health.waiting().iter().any(|waiting| waiting.starts_with(waits))).await;
    life.crash().await;
}

#[tokio::test]
async fn what_an_instance_left_in_the_midst_another_does_when_the_lease_ends() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    receiver.be_silent(true);
    let life = stage.start(&changes_to(&receiver)).await;
    stage.say(0, &stage.change(1, "up").await).await;
    until("it is in flight", async || receiver.messages().len() == 1).await;
    life.crash().await;
    receiver.be_silent(false);
    let life = stage.start(&changes_to(&receiver)).await;
    stage.until_ledger("delivered", 1).await;
    life.stop().await;
    assert_eq!(receiver.ids().into_values().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn two_instances_share_the_work() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let long = Settings { lease: Duration::from_secs(600), ..quick() };
    let lives = [
        stage.start_with(&changes_to(&receiver), long.clone()).await,
        stage.start_with(&changes_to(&receiver), long).await,
    ];
    for number in 1..=100_u64 {
        stage.say((number % 4) as u32, &stage.change(number, "up").await).await;
    }
    stage.until_ledger("delivered", 100).await;
    for life in lives {
        life.stop().await;
    }
    assert_eq!(receiver.ids().len(), 100);
    assert!(receiver.ids().into_values().all(|times| times == 1), "no lease ended: nothing came twice");
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_flight_and_tells_of_it() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    receiver.be_silent(true);
    let long = Settings { lease: Duration::from_secs(600), ..quick() };
    let life = stage.start_with(&changes_to(&receiver), long).await;
    stage.say(0, &stage.change(1, "up").await).await;
    until("it is in flight", async || receiver.messages().len() == 1).await;
    let stopping = tokio::spawn(life.stop());
    // Whichever comes first: the stop has to wait for the answer.
    tokio::task::yield_now().await;
    receiver.be_silent(false);
    stopping.await.unwrap();
    assert_eq!(stage.ledger().await[0].state, "delivered");
    assert_eq!(stage.told()[0].state, "delivered");
}

#[tokio::test]
async fn what_the_topic_did_not_take_is_told_again_when_the_lease_ends() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let life = stage.start(&changes_to(&receiver)).await;
    for (number, written) in (1..).zip([0, usize::MAX]) {
        stage.log.fail_next_delivery("notification-deliveries", written);
        stage.say(0, &stage.change(number, "up").await).await;
        stage.until_ledger("delivered", number as usize).await;
        // Nothing of the first, and the second twice, as its acknowledgement was lost.
        until("it is told", async || stage.told().len() as u64 == number * 2 - 1).await;
    }
    life.stop().await;
    let told: BTreeSet<_> = stage.told().into_iter().map(|told| (told.id, told.state)).collect();
    let owed: BTreeSet<_> = stage.ledger().await.into_iter().map(|entry| (entry.id, entry.state)).collect();
    assert_eq!(told, owed);
}
