//! Receivers that fail, refuse, don't answer, are gone.

use std::time::Duration;

use tiermesh_notification::Settings;
use tiermesh_testkit::free_port;

use crate::{
    receiver::Receiver,
    stage::{Stage, changes_to, quick, route, until},
};

#[tokio::test]
async fn who_fails_is_tried_again_with_the_same_id_until_it_takes_it() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    receiver.answer(&[500, 404, 302]);
    let life = stage.start(&changes_to(&receiver)).await;
    stage.say(0, &stage.change(1, "up").await).await;
    stage.until_ledger("delivered", 1).await;
    until("it is told", async || stage.told().len() == 4).await;
    life.stop().await;
    assert_eq!(receiver.ids().into_values().collect::<Vec<_>>(), [4]);
    let told = stage.told();
    let states: Vec<_> = told.iter().map(|told| (told.state.as_str(), told.attempts, told.reason.as_str())).collect();
    let expected = [
        ("retrying", 1, "500 Internal Server Error: said the receiver"),
        ("retrying", 2, "404 Not Found: said the receiver"),
        ("retrying", 3, "302 Found: said the receiver"),
        ("delivered", 4, ""),
    ];
    assert_eq!(states, expected);
}

#[tokio::test]
async fn after_the_last_attempt_it_is_dead() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    receiver.answer(&[503; 4]);
    let life = stage.start(&changes_to(&receiver)).await;
    stage.say(0, &stage.change(1, "up").await).await;
    stage.until_ledger("dead", 1).await;
    stage.say(0, &stage.change(2, "up").await).await;
    stage.until_ledger("delivered", 1).await;
    life.stop().await;
    assert_eq!(receiver.messages().len(), 5);
    let dead = stage.ledger().await.remove(0);
    assert_eq!((dead.attempts, dead.reason.as_str()), (4, "503 Service Unavailable: said the receiver"));
    assert_eq!(stage.told().iter().filter(|told| told.state == "dead").count(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_not_tried_again() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    receiver.answer(&[410]);
    let life = stage.start(&changes_to(&receiver)).await;
    stage.say(0, &stage.change(1, "up").await).await;
    stage.until_ledger("dead", 1).await;
    life.stop().await;
    assert_eq!(receiver.messages().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    receiver.answer_with(429, &[("retry-after", "3600")]);
    let life = stage.start(&changes_to(&receiver)).await;
    stage.say(0, &stage.change(1, "up").await).await;
    stage.until_ledger("retrying", 1).await;
    life.stop().await;
    let entry = stage.ledger().await.remove(0);
    let wait = entry.due_at_ms.unwrap() - entry.at_ms;
    assert!((3_599_000..=3_601_000).contains(&wait), "{wait}");
}

#[tokio::test]
async fn nobody_there_and_no_answer_in_time_are_failures_told_without_the_address() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    receiver.be_silent(true);
    let nobody = receiver.at(format!("http://127.0.0.1:{}/hooks/T0?key=1", free_port()));
    let routes = changes_to(&receiver) + &route("nobody", "what = \"tier-changes\"", &nobody);
    let settings = Settings { attempt_limit: Duration::from_millis(200), attempts: 1, ..quick() };
    let life = stage.start_with(&routes, settings).await;
    stage.say(0, &stage.change(1, "up").await).await;
    stage.until_ledger("dead", 2).await;
    life.stop().await;
    for entry in stage.ledger().await {
        let expected = if entry.route == "nobody" { "onnection refused" } else { "no answer in time" };
        assert!(entry.reason.contains(expected), "{}", entry.reason);
        assert!(!entry.reason.contains("key"), "{}", entry.reason);
    }
}

#[tokio::test]
async fn a_slow_receiver_holds_up_nobody_else() {
    let (stage, slow, quick) = (Stage::new().await, Receiver::start().await, Receiver::start().await);
    slow.be_silent(true);
    let routes = route("slow", "what = \"tier-changes\"", &slow) + &route("quick", "what = \"tier-changes\"", &quick);
    let settings = Settings { lease: Duration::from_secs(600), ..crate::stage::quick() };
    let life = stage.start_with(&routes, settings).await;
    for number in 1..=30 {
        stage.say(0, &stage.change(number, "up").await).await;
    }
    stage.until_ledger("delivered", 30).await;
    assert_eq!(quick.ids().len(), 30);
    assert_eq!(slow.messages().len(), 4, "as many as may be in flight");
    slow.be_silent(false);
    stage.until_ledger("delivered", 60).await;
    life.stop().await;
    assert!(slow.ids().into_values().all(|times| times == 1));
}
