//! Events by every content type, good and bad.

use serde_json::{Value, json};
use tiermesh_domain::hash::partition_of;
use tiermesh_proto::v1::customer_event::Event;

use crate::harness::{PARTITIONS, World, answer, ndjson, order};

const TIME: &str = "2010-12-01T08:26:00Z";

#[tokio::test]
async fn a_single_event_stands_in_its_customers_partition() {
    let world = World::new().await;
    let ingest = world.start().await;
    for content_type in ["application/cloudevents+json; charset=utf-8", "application/json"] {
        let event = order(content_type, "17850", TIME, "139.12");
        let (status, body) = ingest.post("/v1/events", content_type, event.to_string()).await;
        assert_eq!((status, body), (202, json!({"accepted": 1, "duplicates": 0, "refused": 0})));
    }
    let records = world.records(partition_of("17850", PARTITIONS));
    // Time goes on meanwhile: a tick may stand behind it.
    let record = records.iter().rfind(|record| record.key == "17850").unwrap();
    assert_eq!(record.key, "17850");
    let headers: Vec<_> = record.headers.iter().collect();
    assert_eq!(
        headers,
        [
            ("ce_specversion", "1.0"),
            ("ce_id", "application/json"),
            ("ce_source", "erp/test"),
            ("ce_type", "tiermesh.order.placed"),
            ("ce_subject", "17850"),
            ("ce_time", TIME),
            ("content-type", "application/protobuf"),
        ]
    );
    assert_eq!(world.facts().len(), 2);
}

#[tokio::test]
async fn binary_mode_gives_the_same_record() {
    let world = World::new().await;
    let ingest = world.start().await;
    let event = order("o-1", "客户-7", TIME, "139.12");
    let binary = |id: &str, body: &Value| {
        let request = ingest.client.post(format!("{}/v1/events", ingest.url));
        let request = request.header("content-type", "application/json").header("ce-specversion", "1.0");
        let request = request.header("ce-type", "tiermesh.order.placed").header("ce-source", "erp/test");
        let request = request.header("ce-subject", "%E5%AE%A2%E6%88%B7-7").header("ce-time", TIME).header("ce-id", id);
        request.header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").body(body.to_string())
    };
    let (status, _) = answer(binary("o-1", &event["data"]).send().await.unwrap()).await;
    assert_eq!(status, 202);
    let (_, body) = ingest.event(&event).await;
    assert_eq!(body["duplicates"], 1);
    let records = world.records(partition_of("客户-7", PARTITIONS));
    let record = records.iter().rfind(|record| record.key == "客户-7").unwrap();
    assert!(record.header("traceparent").unwrap().starts_with("00-0af7"));

    let (status, body) = answer(binary("o-2", &json!({"order_id": "o-2"})).send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["field"]), (400, &json!("data.currency")));
    let letter = world.dead_letters().remove(0);
    assert_eq!((letter.id.as_str(), letter.subject.as_str()), ("o-2", "客户-7"));
    assert_eq!(letter.original, br#"{"order_id":"o-2"}"#);
    assert_eq!(letter.content_type, "application/json");
}

#[tokio::test]
async fn a_bad_event_is_refused_and_kept() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut event = order("o-1", "17850", TIME, "139.123");
    let (status, body) = ingest.event(&event).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"]["field"], "data.amount");
    let letter = world.dead_letters().remove(0);
    assert_eq!(letter.original, event.to_string().as_bytes());
    assert_eq!(
        (letter.field.as_str(), letter.reason.as_str()),
        ("data.amount", body["error"]["reason"].as_str().unwrap())
    );
    assert_eq!((letter.source.as_str(), letter.id.as_str(), letter.subject.as_str()), ("erp/test", "o-1", "17850"));
    assert!(letter.received_ms > 0);

    event["type"] = json!("tiermesh.order.unknown");
    assert_eq!(ingest.event(&event).await.1["error"]["field"], "type");
    let (status, body) = ingest.post("/v1/events", "application/cloudevents+json", "{oops").await;
    assert_eq!((status, &body["error"]["field"]), (400, &json!("")));
    assert_eq!(world.dead_letters().len(), 3);
    assert_eq!(world.facts().len(), 0);
    assert!(world.control().iter().all(|control| !matches!(control, tiermesh_proto::v1::control::Control::Live(_))));
}

#[tokio::test]
async fn the_good_of_a_batch_go_through() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut odd = order("o-3", "c", TIME, "3");
    odd["data"]["colour"] = json!("red");
    let batch = json!([
        order("o-1", "a", TIME, "1"),
        order("o-2", "b", TIME, "many"),
        order("o-1", "a", TIME, "1"),
        odd,
        order("o-4", "a", TIME, "4")
    ]);
    let (status, body) = ingest.post("/v1/events", "application/cloudevents-batch+json", batch.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!((&body["accepted"], &body["duplicates"], &body["refused"]), (&json!(3), &json!(1), &json!(1)));
    let results = body["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["accepted", "refused", "duplicate", "accepted", "accepted"]);
    assert_eq!(results[1]["field"], "data.amount");
    assert_eq!(results[3]["ignored"], json!(["data.colour"]));
    let mut ids: Vec<_> = world.facts().into_iter().map(|fact| fact.id).collect();
    ids.sort();
    assert_eq!(ids, ["o-1", "o-3", "o-4"]);
    assert_eq!(world.dead_letters().remove(0).original, batch[1].to_string().as_bytes());

    let (status, body) = ingest.post("/v1/events", "application/json", "[{},").await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(world.dead_letters().len(), 2);
}

#[tokio::test]
async fn a_stream_lists_only_what_there_is_to_say() {
    let world = World::new().await;
    let ingest = world.start().await;
    let mut events: Vec<Value> =
        (0..5_000).map(|number| order(&format!("o-{number}"), &format!("c-{}", number % 100), TIME, "1")).collect();
    events[3_210]["specversion"] = json!("0.3");
    events.push(events[0].clone());
    let (status, body) = ingest.lines(&events).await;
    assert_eq!(status, 200);
    assert_eq!((&body["accepted"], &body["duplicates"], &body["refused"]), (&json!(4_999), &json!(1), &json!(1)));
    let results = body["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]["line"], &results[0]["field"]), (1, &json!(3_211), &json!("specversion")));
    assert_eq!(world.facts().len(), 4_999);
    for customer in ["c-1", "c-99"] {
        let facts = world.facts().into_iter().filter(|fact| fact.subject == customer);
        let numbers: Vec<u32> = facts.map(|fact| fact.id[2..].parse().unwrap()).collect();
        assert!(numbers.is_sorted() && numbers.len() == 50, "one customer's events keep their order");
    }
    // Sent again as a whole: nothing is appended.
    events.pop();
    let (_, body) = ingest.lines(&events).await;
    assert_eq!((&body["accepted"], &body["duplicates"]), (&json!(0), &json!(4_999)));
    assert_eq!(world.facts().len(), 4_999);
}

#[tokio::test]
async fn a_conflict_is_left_to_the_fold() {
    let world = World::new().await;
    let ingest = world.start().await;
    for (amount, accepted) in [("1", 1), ("2", 1), ("1", 0)] {
        assert_eq!(ingest.event(&order("o-1", "a", TIME, amount)).await.1["accepted"], accepted);
    }
    assert_eq!(world.facts().len(), 2);
}

#[tokio::test]
async fn a_failed_delivery_is_told_and_the_next_request_works() {
    let world = World::new().await;
    let ingest = world.start().await;
    ingest.event(&order("o-0", "a", TIME, "1")).await;
    world.log.fail_next_delivery("ingest-events", 0);
    let event = order("o-1", "a", TIME, "1");
    let response = ingest.client.post(format!("{}/v1/events", ingest.url)).header("content-type", "application/json");
    let response = response.body(event.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(ingest.event(&event).await.0, 202);

    world.log.fail_next_delivery("ingest-dead-letters", 0);
    let bad = ndjson(&[json!({})]);
    assert_eq!(ingest.post("/v1/events", "application/x-ndjson", bad.clone()).await.0, 503);
    assert_eq!(ingest.post("/v1/events", "application/x-ndjson", bad).await.0, 200);
    assert_eq!(world.dead_letters().len(), 1);
}

#[tokio::test]
async fn nothing_is_answered_before_the_log_has_it() {
    let world = World::new().await;
    let mut settings = crate::harness::settings();
    settings.ack_limit = std::time::Duration::from_millis(200);
    let ingest = world.start_with(settings, tiermesh_ingest::Clock::system()).await;
    assert_eq!(ingest.event(&order("o-0", "a", TIME, "1")).await.0, 202);
    let held = world.log.hold_acks();
    assert_eq!(ingest.event(&order("o-1", "a", TIME, "1")).await.0, 503);
    drop(held);
    assert_eq!(ingest.event(&order("o-1", "a", TIME, "1")).await.1["accepted"], 1);
}

#[tokio::test]
async fn the_first_event_makes_the_mesh_live_before_it() {
    let world = World::new().await;
    let ingest = world.start().await;
    ingest.event(&order("o-1", "a", TIME, "1")).await;
    let events = world.events(partition_of("a", PARTITIONS));
    // Time goes on at once: a tick may stand behind it.
    let last = events.iter().rfind(|event| !matches!(event, Event::Tick(_)));
    assert!(matches!(last, Some(Event::Fact(_))));
    let copies: Vec<Vec<u64>> = (0..PARTITIONS).map(|partition| world.copies(partition)).collect();
    assert_eq!(copies, vec![vec![1, 2]; PARTITIONS as usize], "logic, then live");
}
