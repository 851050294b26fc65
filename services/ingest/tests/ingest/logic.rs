//! Logic: a mesh keeps its own until an operator activates the next, and never goes back.

use serde_json::json;
use tiermesh_domain::scoring::{KNOWN_LOGIC, NEWEST_LOGIC};
use tiermesh_ingest::{Clock, Scope};
use tiermesh_proto::v1::{LogicActivated, control::Control};

use crate::{
    harness::{Instance, World, answer},
    keys::{guarded, key},
};

async fn activate(ingest: &Instance, logic: u32) -> (u16, serde_json::Value) {
    ingest.post("/v1/logic", "application/json", json!({"logic": logic}).to_string()).await
}

#[tokio::test]
async fn an_old_mesh_keeps_its_logic_until_the_next_is_activated_and_never_goes_back() {
    let world = World::new().await;
    world.say(Control::LogicActivated(LogicActivated { logic: 1 })).await;
    let ingest = world.start().await;
    let told = answer(ingest.get("/v1/logic").await).await;
    assert_eq!(told, (200, json!({"active": 1, "known": KNOWN_LOGIC})));
    assert_eq!(activate(&ingest, 1).await, (200, json!({"status": "unchanged", "logic": 1, "changed": false})));

    let (status, body) = activate(&ingest, NEWEST_LOGIC + 1).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("unknown-logic")));
    assert!(body["error"]["reason"].as_str().unwrap().contains("knows [1, 2]"), "{body}");
    assert_eq!(world.control().len(), 1, "nothing was written so far");

    assert_eq!(activate(&ingest, 2).await.1, json!({"status": "activated", "logic": 2, "changed": true}));
    assert_eq!(activate(&ingest, 2).await.1["changed"], false);
    let (status, body) = activate(&ingest, 1).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("old-logic")));
    let activated = |logic| Control::LogicActivated(LogicActivated { logic });
    assert_eq!(world.control(), [activated(1), activated(2)]);
    ingest.copied(&world).await;
    assert_eq!((world.copies(0), world.copies(3)), (vec![1, 2], vec![1, 2]), "in every partition");
    ingest.stop().await;

    // The late word of an instance that was overtaken.
    world.say(activated(1)).await;
    let ingest = world.start().await;
    ingest.copied(&world).await;
    assert_eq!(answer(ingest.get("/v1/logic").await).await.1["active"], 2);
}

#[tokio::test]
async fn what_asks_for_no_logic_is_told_how_to_ask() {
    let world = World::new().await;
    let ingest = world.start().await;
    for body in ["", "2", r#"{"logic": "2"}"#, r#"{"logic": 2, "force": true}"#] {
        let (status, answered) = ingest.post("/v1/logic", "application/json", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(answered["error"]["reason"].as_str().unwrap().contains(r#"{"logic": NUMBER}"#), "{answered}");
    }
}

#[tokio::test]
async fn only_who_operates_the_mesh_may_ask_and_activate() {
    let world = World::new().await;
    let ingest = world.start_with(guarded(), Clock::system()).await;
    for (scope, allowed) in [(Scope::Events, false), (Scope::Read, false), (Scope::Operate, true)] {
        let (key, _) = key(&world, &["*"], &[scope]).await;
        let url = format!("{}/v1/logic", ingest.url);
        let status = if allowed { 200 } else { 403 };
        let body = json!({"logic": NEWEST_LOGIC}).to_string();
        let asked = [ingest.client.get(&url), ingest.client.post(&url).body(body)];
        for request in asked {
            assert_eq!(request.bearer_auth(&key).send().await.unwrap().status(), status, "{scope}");
        }
    }
}
