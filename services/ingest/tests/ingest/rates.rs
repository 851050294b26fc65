//! Rate limits: what is too much in a short time, and when it would be taken.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use tiermesh_ingest::{Clock, RateLimit, Scope, Settings};

use crate::harness::{Instance, World, answer, ndjson, order, settings};

const TIME: &str = "2010-12-01T08:26:00Z";

/// One event a second: it fills up so slowly that no test has to hurry.
pub fn limited(burst: u32) -> Settings {
    let number = |number| NonZeroU32::new(number).unwrap();
    Settings { rate_limit: Some(RateLimit { events_per_second: number(1), burst: number(burst) }), ..settings() }
}

fn orders(source: &str, from: usize, count: usize) -> Vec<Value> {
    let of = |number: usize| {
        let mut event = order(&format!("{source}-{number}"), "a", TIME, "1");
        event["source"] = json!(source);
        event
    };
    (from..from + count).map(of).collect()
}

async fn batch(ingest: &Instance, events: &[Value]) -> (u16, Value, Option<u64>) {
    let request = ingest.client.post(format!("{}/v1/events", ingest.url));
    let request = request.header("content-type", "application/cloudevents-batch+json");
    let response = request.body(Value::from(events.to_vec()).to_string()).send().await.unwrap();
    let after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    let (status, body) = answer(response).await;
    (status, body, after)
}

#[tokio::test]
async fn over_the_limit_nothing_is_taken_and_the_answer_says_when() {
    let world = World::new().await;
    let ingest = world.start_with(limited(1_000), Clock::system()).await;
    assert_eq!(batch(&ingest, &orders("a", 0, 1_000)).await.0, 200);
    let mut more = orders("a", 1_000, 900);
    more.push(json!({"source": "a"}));
    let (status, body, after) = batch(&ingest, &more).await;
    assert_eq!((status, &body["error"]["code"]), (429, &json!("rate-limited")));
    assert!(after.is_some_and(|seconds| (1..=901).contains(&seconds)), "{after:?}");
    let reason = body["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("source \"a\"") && reason.contains("nothing of this was taken"), "{reason}");
    assert_eq!((world.facts().len(), world.dead_letters().len()), (1_000, 0));
    // Another source has a limit of its own.
    assert_eq!(batch(&ingest, &orders("b", 0, 1_000)).await.0, 200);
    let (status, body, after) = batch(&ingest, &orders("c", 0, 1_001)).await;
    assert_eq!((status, &body["error"]["code"], after), (413, &json!("larger-than-burst"), None));
    assert!(body["error"]["reason"].as_str().unwrap().contains("1000 events at once"), "{body}");
    assert_eq!(world.facts().len(), 2_000);
}

#[tokio::test]
async fn a_stream_is_slowed_down_instead() {
    let world = World::new().await;
    let ingest = world.start_with(limited(100), Clock::system()).await;
    let (status, body) = ingest.lines(&orders("a", 0, 102)).await;
    assert_eq!((status, &body["accepted"]), (200, &json!(102)));
    // What it may send at once is spent.
    assert_eq!(batch(&ingest, &orders("a", 102, 100)).await.0, 429);
}

#[tokio::test]
async fn a_key_has_a_limit_over_all_its_sources() {
    let world = World::new().await;
    let settings = Settings { require_keys: true, ..limited(1_000) };
    let ingest = world.start_with(settings, Clock::system()).await;
    let (key, _) = crate::keys::key(&world, &["*"], &[Scope::Events]).await;
    let send = async |source: &str| {
        let request = ingest.client.post(format!("{}/v1/events", ingest.url)).bearer_auth(&key);
        let request = request.header("content-type", "application/json");
        let body = Value::from(orders(source, 0, 1_000)).to_string();
        answer(request.body(body).send().await.unwrap()).await
    };
    assert_eq!(send("a").await.0, 200);
    let (status, body) = send("b").await;
    assert_eq!(status, 429);
    assert!(body["error"]["reason"].as_str().unwrap().contains("key `shop`"), "{body}");
}

#[tokio::test]
async fn without_room_a_request_is_told_to_come_again() {
    let world = World::new().await;
    let ingest = world.start_with(Settings { most_requests: 1, ..settings() }, Clock::system()).await;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let body = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let request = ingest.client.post(format!("{}/v1/events", ingest.url));
    let request = request.header("content-type", "application/x-ndjson").body(reqwest::Body::wrap_stream(body));
    let streaming = tokio::spawn(async move { answer(request.send().await.unwrap()).await });
    sender.send(Ok(ndjson(&orders("a", 0, 1)))).await.unwrap();
    crate::harness::eventually("taken", async || world.facts().len() == 1).await;

    let (status, body, after) = batch(&ingest, &orders("b", 0, 1)).await;
    assert_eq!((status, &body["error"]["code"], after), (503, &json!("busy"), Some(1)));
    drop(sender);
    assert_eq!(streaming.await.unwrap().0, 200);
    assert_eq!(batch(&ingest, &orders("b", 0, 1)).await.0, 200);
}

#[tokio::test]
async fn streams_share_what_room_there_is() {
    let world = World::new().await;
    // Less than what one chunk has: each waits until the one before is settled.
    let ingest = world.start_with(Settings { most_bytes: 4 << 10, ..settings() }, Clock::system()).await;
    let send = async |source: &str| ingest.lines(&orders(source, 0, 3_000)).await;
    let answers = futures::join!(send("a"), send("b"), send("c"));
    for (status, body) in [answers.0, answers.1, answers.2] {
        assert_eq!((status, &body["accepted"]), (200, &json!(3_000)), "{body}");
    }
}
