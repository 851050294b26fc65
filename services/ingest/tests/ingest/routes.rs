//! What is answered to who asks for something else.

use serde_json::json;

use crate::harness::{World, answer, order};

#[tokio::test]
async fn nothing_there_and_wrong_methods_say_what_there_is() {
    let world = World::new().await;
    let ingest = world.start().await;
    for path in ["/v1/event", "/v1", "/v1/", "/events", "/"] {
        let (status, body) = answer(ingest.get(path).await).await;
        if path.starts_with("/v1/") {
            assert_eq!((status, &body["error"]["code"]), (404, &json!("no-such-path")), "{path}");
            assert!(body["error"]["reason"].as_str().unwrap().contains("POST /v1/events"), "{body}");
        } else {
            assert_eq!(status, 404, "{path}: for who serves it to say");
        }
    }
    let response = ingest.get("/v1/events").await;
    assert_eq!(response.headers()["allow"], "POST");
    let (status, body) = answer(response).await;
    assert_eq!((status, &body["error"]["code"]), (405, &json!("method")));
    assert!(body["error"]["reason"].as_str().unwrap().contains("GET is not for /v1/events"), "{body}");
    let request = ingest.client.delete(format!("{}/v1/policies", ingest.url));
    let (status, body) = answer(request.send().await.unwrap()).await;
    assert_eq!((status, &body["error"]["code"]), (405, &json!("method")));
}

#[tokio::test]
async fn a_field_that_stands_twice_is_refused() {
    let world = World::new().await;
    let ingest = world.start().await;
    let event = order("o-1", "a", "2010-12-01T08:26:00Z", "1").to_string();
    let twice = event.replace("\"amount\":\"1\"", "\"amount\":\"1\",\"amount\":\"1000\"");
    assert_ne!(event, twice);
    let (status, body) = ingest.post("/v1/events", "application/cloudevents+json", twice.clone()).await;
    assert_eq!((status, &body["error"]["field"]), (400, &json!("data.amount")));
    let (status, body) = ingest.post("/v1/events", "application/x-ndjson", format!("{twice}\n{event}\n")).await;
    assert_eq!((status, &body["accepted"], &body["refused"]), (200, &json!(1), &json!(1)));
    assert_eq!(body["results"][0]["field"], "data.amount");
    let (status, body) = ingest.post("/v1/events", "application/json", format!("[{twice},{event}]")).await;
    assert_eq!((status, &body["duplicates"], &body["results"][0]["field"]), (200, &json!(1), &json!("data.amount")));
    assert_eq!(world.facts().len(), 1);
}
