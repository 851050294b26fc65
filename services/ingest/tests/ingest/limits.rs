//! What is too much, too large, too early.

use serde_json::{Value, json};
use tiermesh_domain::time::{DAY_MS, format_instant};

use crate::harness::{World, order};

const TIME: &str = "2010-12-01T08:26:00Z";

fn padded(id: &str, bytes: usize) -> Value {
    let mut event = order(id, "a", TIME, "1");
    event["data"]["padding"] = Value::String("x".repeat(bytes));
    event
}

#[tokio::test]
async fn too_much_is_413_and_says_what_the_limit_is() {
    let world = World::new().await;
    let ingest = world.start().await;
    let batch: Vec<Value> = (0..10_001).map(|number| order(&number.to_string(), "a", TIME, "1")).collect();
    let slim = format!("[{}]", vec!["{}"; 10_001].join(","));
    for (content_type, body, limit) in [
        ("application/cloudevents+json", padded("o-1", 300 << 10).to_string(), "262144"),
        ("application/cloudevents+json", padded("o-1", 5 << 20).to_string(), "4194304"),
        ("application/cloudevents-batch+json", json!([padded("o-1", 300 << 10)]).to_string(), "262144"),
        ("application/cloudevents-batch+json", slim, "10000"),
        ("application/json", json!(vec![padded("o-1", 100 << 10); 50]).to_string(), "4194304"),
    ] {
        let (status, answer) = ingest.post("/v1/events", content_type, body).await;
        assert_eq!(status, 413, "{answer}");
        assert!(answer["error"]["reason"].as_str().unwrap().contains(limit), "{answer}");
    }
    assert_eq!(world.facts().len(), 0);
    // A stream has no limit as a whole.
    let mut lines = batch;
    lines.push(padded("large", 300 << 10));
    lines.push(order("last", "a", TIME, "1"));
    let (status, answer) = ingest.lines(&lines).await;
    assert_eq!((status, &answer["accepted"], &answer["refused"]), (200, &json!(10_002), &json!(1)));
    assert_eq!(answer["results"][0]["line"], 10_002);
    assert_eq!(world.dead_letters().remove(0).original.len(), 256 << 10);
}

#[tokio::test]
async fn the_future_is_refused() {
    let world = World::new().await;
    let clock = tiermesh_ingest::Clock::of(|| 1_300_000_000_000);
    let ingest = world.start_with(crate::harness::settings(), clock).await;
    let at = |ms: i64| order(&ms.to_string(), "a", &format_instant(1_300_000_000_000 + ms), "1");
    assert_eq!(ingest.event(&at(DAY_MS)).await.0, 202);
    let (status, answer) = ingest.event(&at(DAY_MS + 1)).await;
    assert_eq!((status, &answer["error"]["field"]), (400, &json!("time")));
}

#[tokio::test]
async fn other_content_types_are_415() {
    let world = World::new().await;
    let ingest = world.start().await;
    let (status, answer) = ingest.post("/v1/events", "text/plain", "hello").await;
    assert_eq!(status, 415);
    assert!(answer["error"]["reason"].as_str().unwrap().contains("application/x-ndjson"));
}
