//! What is told, to whom, and what it looks like.

use tiermesh_domain::time::format_instant;
use tiermesh_proto::v1::{CustomerCard, TierChange};

use crate::{
    receiver::Receiver,
    stage::{Stage, TRACEPARENT, changes_to, route, until},
};

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn a_change_arrives_signed_with_all_that_is_known() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let life = stage.start(&changes_to(&receiver)).await;
    let card = CustomerCard { owner: Some("ann".to_owned()), region: Some("north".to_owned()), language: None };
    let change = TierChange { card: Some(card), ..stage.change(1, "down").await };
    stage.say(2, &change).await;
    stage.until_ledger("delivered", 1).await;
    until("it is told", async || stage.told().len() == 1).await;
    life.stop().await;

    let messages = receiver.messages();
    assert_eq!(messages.len(), 1);
    let (message, data) = (&messages[0], &messages[0].body["data"]);
    assert_eq!(message.body["type"], "tiermesh.tier.changed");
    assert_eq!(message.body["timestamp"], format_instant(change.at_ms));
    for (field, value) in [
        ("customer", "customer-1"),
        ("policy", "abc"),
        ("from", "A"),
        ("to", "B"),
        ("direction", "down"),
        ("severity", "warning"),
        ("id", "tiermesh/scoring/2-101-1"),
    ] {
        assert_eq!(data[field], value, "{field}");
    }
    assert_eq!(data["card"]["owner"], "ann");
    assert_eq!(data["text"]["en"], "Customer customer-1 moved down from A to B (policy abc).");
    assert_eq!(data["text"]["zh"], "客户 customer-1 由 A 降为 B（策略 abc）。");
    assert_eq!(message.traceparent.as_deref(), Some(TRACEPARENT), "the trace goes on");

    let told = stage.told().remove(0);
    assert_eq!((told.id.as_str(), told.state.as_str(), told.attempts), (message.id.as_str(), "delivered", 1));
    assert_eq!((told.cause_source.as_str(), told.cause_id.as_str()), ("tiermesh/scoring", "2-101-1"));
    assert!(receiver.url.starts_with(&told.target) && !told.target.contains("hooks"), "{}", told.target);
}

#[tokio::test]
async fn signals_and_sources_are_told_to_whom_they_concern() {
    let (stage, sales, operations) = (Stage::new().await, Receiver::start().await, Receiver::start().await);
    let routes = route("sales", "what = \"signals\"\nstates = [\"raised\"]", &sales)
        + &route("operations", "what = \"operations\"", &operations);
    let life = stage.start(&routes).await;
    stage.signal(1, "raised").await;
    stage.signal(2, "updated").await;
    stage.signal(3, "cleared").await;
    stage.quiet(1).await;
    stage.until_ledger("delivered", 2).await;
    assert_eq!(stage.store.quiet_sources().await.unwrap(), ["erp"]);
    stage.back(2).await;
    stage.until_ledger("delivered", 3).await;
    assert!(stage.store.quiet_sources().await.unwrap().is_empty());
    life.stop().await;
    let types = |receiver: &Receiver| {
        let of = |message: &crate::receiver::Message| message.body["type"].as_str().unwrap().to_owned();
        receiver.messages().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(types(&sales), ["tiermesh.churn.signal"]);
    assert_eq!(types(&operations), ["tiermesh.source.quiet", "tiermesh.source.back"]);
    let sentence = &sales.messages()[0].body["data"]["text"]["en"];
    assert_eq!(sentence, "Customer 17850 may be leaving: no order for 80 days, where 45 were the limit.");
}

#[tokio::test]
async fn history_and_old_news_are_told_only_to_who_asks() {
    let (stage, now_only, all) = (Stage::new().await, Receiver::start().await, Receiver::start().await);
    let routes = changes_to(&now_only) + &route("all", "what = \"tier-changes\"\nhistory = true", &all);
    let change = stage.change(0, "up").await;
    let aged = |hours: i64, history| TierChange { at_ms: change.at_ms - hours * HOUR, history, ..change.clone() };
    for change in [aged(9_000, true), aged(73, false), aged(71, false)].iter() {
        stage.say(0, change).await;
    }
    let life = stage.start(&routes).await;
    stage.until_ledger("delivered", 4).await;
    stage.until_taken().await;
    life.stop().await;
    assert_eq!((now_only.messages().len(), all.messages().len()), (1, 3));
    let expired: Vec<_> = stage.ledger().await.into_iter().filter(|entry| entry.state == "expired").collect();
    assert_eq!((expired.len(), expired[0].route.as_str(), expired[0].attempts), (1, "changes", 0));
    assert_eq!(expired[0].reason, "73 hours old when first seen; told up to 72");
}

#[tokio::test]
async fn a_first_tier_is_no_news_and_what_no_route_wants_leaves_no_trace() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let life = stage.start(&changes_to(&receiver)).await;
    for (number, direction) in (1..).zip(["first", "up", "first"]) {
        stage.say(3, &stage.change(number, direction).await).await;
    }
    stage.signal(1, "lost").await;
    stage.until_taken().await;
    stage.until_ledger("delivered", 1).await;
    life.stop().await;
    assert_eq!((stage.ledger().await.len(), receiver.messages().len()), (1, 1));
}

#[tokio::test]
async fn while_a_receiver_changes_its_secret_both_sign() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD whsec_";
    let life = stage.start(&changes_to(&receiver).replace("whsec_", other)).await;
    stage.say(0, &stage.change(1, "up").await).await;
    stage.until_ledger("delivered", 1).await;
    life.stop().await;
    assert_eq!(receiver.messages()[0].signatures, 2);
}

#[tokio::test]
async fn it_is_ready_once_it_has_joined() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let life = stage.start(&changes_to(&receiver)).await;
    until("it is ready", async || life.health.waiting().is_empty()).await;
    life.stop().await;
}
