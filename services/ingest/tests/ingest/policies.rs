//! Policies: checked, numbered upwards, told to every partition.

use serde_json::json;
use tiermesh_proto::v1::{control::Control, customer_event::Event};

use crate::harness::{PARTITIONS, PYRAMID, SCORECARD, World, answer};

#[tokio::test]
async fn a_policy_goes_into_control_and_to_every_partition() {
    let world = World::new().await;
    let ingest = world.start().await;
    let (status, body) = ingest.post("/v1/policies", "application/toml", PYRAMID).await;
    assert_eq!((status, &body["name"], &body["changed"]), (200, &json!("pyramid"), &json!(true)));
    ingest.post("/v1/policies", "application/toml", SCORECARD).await;
    let signals = include_str!("../../../../policies/loss-signals.toml");
    assert_eq!(ingest.post("/v1/policies", "application/toml", signals).await.0, 200);
    for partition in 0..PARTITIONS {
        let texts: Vec<String> = world
            .events(partition)
            .into_iter()
            .filter_map(|event| match event {
                Event::Control(copy) => match copy.control.unwrap().control.unwrap() {
                    Control::PolicyActivated(activated) => Some(activated.text),
                    Control::DetectorsActivated(activated) => Some(activated.text),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        assert_eq!(texts, [PYRAMID, SCORECARD, signals]);
    }
    let (_, body) = answer(ingest.get("/v1/policies").await).await;
    let named: Vec<_> =
        body["policies"].as_array().unwrap().iter().map(|policy| (&policy["name"], &policy["kind"])).collect();
    assert_eq!(
        named,
        [
            (&json!("loss-signals"), &json!("loss-signals")),
            (&json!("pyramid"), &json!("tiers")),
            (&json!("scorecard"), &json!("tiers"))
        ]
    );
    assert_eq!(body["live"], false);
}

#[tokio::test]
async fn errors_say_where() {
    let world = World::new().await;
    let ingest = world.start().await;
    let text = PYRAMID.replace("by = \"rank\"", "by = \"luck\"");
    let (status, body) = ingest.post("/v1/policies", "application/toml", text).await;
    assert_eq!(status, 400);
    let line = PYRAMID.lines().position(|line| line.starts_with("by")).unwrap() + 1;
    assert_eq!((&body["error"]["line"], &body["error"]["column"]), (&json!(line), &json!(6)));
    assert!(body["error"]["reason"].as_str().unwrap().contains("share-above"), "{body}");
}

#[tokio::test]
async fn versions_only_rise() {
    let world = World::new().await;
    let ingest = world.start().await;
    let version = |number: u32| PYRAMID.replace("version = 1", &format!("version = {number}"));
    assert_eq!(ingest.post("/v1/policies", "", version(2)).await.0, 200);
    let (status, body) = ingest.post("/v1/policies", "", version(2)).await;
    assert_eq!((status, &body["changed"]), (200, &json!(false)));
    let (status, body) = ingest.post("/v1/policies", "", version(1)).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("old-version")));
    let other = version(2).replace("below = \"0.05\"", "below = \"0.06\"");
    assert_eq!(ingest.post("/v1/policies", "", other.clone()).await.0, 409);
    assert_eq!(ingest.post("/v1/policies", "", other.replace("version = 2", "version = 3")).await.0, 200);
    assert_eq!(world.control().len(), 3, "logic and two versions");
}
