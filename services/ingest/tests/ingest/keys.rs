//! API keys: who gets in, for which sources, and until when.

use serde_json::{Value, json};
use tiermesh_ingest::{Clock, NewKey, Scope, Settings};
use tiermesh_testkit::PostgresServer;

use crate::harness::{Instance, World, answer, eventually, ndjson, order, settings};

const TIME: &str = "2010-12-01T08:26:00Z";

pub fn guarded() -> Settings {
    Settings { require_keys: true, ..settings() }
}

/// Makes a key; its text and its id.
pub async fn key(world: &World, sources: &[&str], scopes: &[Scope]) -> (String, String) {
    let sources = sources.iter().map(ToString::to_string).collect();
    let key = NewKey::generate("shop", sources, scopes).unwrap();
    world.store.create_api_key(&key.stored).await.unwrap();
    (key.text, key.stored.id)
}

async fn post(ingest: &Instance, key: &str, path: &str, content_type: &str, body: String) -> (u16, Value) {
    let request = ingest.client.post(format!("{}{path}", ingest.url)).bearer_auth(key);
    answer(request.header("content-type", content_type).body(body).send().await.unwrap()).await
}

async fn event(ingest: &Instance, key: &str, event: &Value) -> (u16, Value) {
    post(ingest, key, "/v1/events", "application/cloudevents+json", event.to_string()).await
}

fn order_of(source: &str, id: &str) -> Value {
    let mut event = order(id, "a", TIME, "1");
    event["source"] = json!(source);
    event
}

#[tokio::test]
async fn without_a_key_nobody_gets_in() {
    let world = World::new().await;
    let ingest = world.start_with(guarded(), Clock::system()).await;
    for (path, body) in [("/v1/events", order("o-1", "a", TIME, "1").to_string()), ("/v1/live", String::new())] {
        let request = ingest.client.post(format!("{}{path}", ingest.url)).header("content-type", "application/json");
        let response = request.body(body).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"tiermesh\"");
        let (status, body) = answer(response).await;
        assert_eq!((status, &body["error"]["code"]), (401, &json!("no-key")));
        assert!(body["error"]["reason"].as_str().unwrap().contains("tiermesh keys create"), "{body}");
    }
    assert_eq!(ingest.get("/v1/policies").await.status(), 401);
    let (real, _) = key(&world, &["*"], &[Scope::Events]).await;
    let other_secret = format!("{}x", &real[..real.len() - 1]);
    let unknown = real.replace("tmk_", "tmk_x").get(..real.len()).unwrap().to_owned();
    for bad in ["tmk_oops", other_secret.as_str(), unknown.as_str()] {
        let (status, body) = event(&ingest, bad, &order("o-1", "a", TIME, "1")).await;
        assert_eq!((status, &body["error"]["code"]), (401, &json!("bad-key")), "{bad}");
        assert!(!body.to_string().contains(bad), "an answer doesn't tell the key");
    }
    assert_eq!(ingest.get("/readyz").await.status(), 200, "health is for anyone");
    // More than fits into the buffers between: the answer is read all the same.
    let body = format!("{}\n", order("o-1", "a", TIME, "1")).repeat(100_000);
    let (status, _) = ingest.post("/v1/events", "application/x-ndjson", body).await;
    assert_eq!(status, 401);
    assert_eq!((world.facts().len(), world.dead_letters().len()), (0, 0));
}

#[tokio::test]
async fn a_key_publishes_for_its_sources() {
    let world = World::new().await;
    let ingest = world.start_with(guarded(), Clock::system()).await;
    // Made while ingest runs: it works at once.
    let (key, id) = key(&world, &["shop/*", "erp/test"], &[Scope::Events]).await;
    assert_eq!(event(&ingest, &key, &order_of("shop/web", "o-1")).await.0, 202);
    assert_eq!(event(&ingest, &key, &order_of("erp/test", "o-2")).await.0, 202);

    let (status, body) = event(&ingest, &key, &order_of("erp/retail", "o-3")).await;
    assert_eq!(
        (status, &body["error"]["code"], &body["error"]["field"]),
        (403, &json!("forbidden-source"), &json!("source"))
    );
    let reason = body["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("shop/*, erp/test") && reason.contains("erp/retail"), "{reason}");
    let (status, body) = event(&ingest, &key, &json!({"specversion": "1.0", "id": "o-4"})).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("event")), "no source is another fault");

    let events = [order_of("shop/web", "o-5"), order_of("crm", "o-6"), order_of("shop/app", "o-7")];
    let batch = Value::from(events.to_vec()).to_string();
    let (status, body) = post(&ingest, &key, "/v1/events", "application/json", batch).await;
    assert_eq!((status, &body["accepted"], &body["refused"]), (200, &json!(2), &json!(1)));
    assert_eq!(body["results"][1]["field"], "source");
    let (status, body) = post(&ingest, &key, "/v1/events", "application/x-ndjson", ndjson(&events)).await;
    assert_eq!((status, &body["duplicates"], &body["refused"]), (200, &json!(2), &json!(1)));
    assert_eq!(world.facts().len(), 4);
    // What was refused can be sent again by who may.
    assert!(world.dead_letters().iter().any(|letter| letter.source == "crm" && letter.field == "source"));
    eventually("noted", async || {
        let keys = world.store.api_keys().await.unwrap();
        keys.iter().any(|stored| stored.key.id == id && stored.last_used_at_ms.is_some())
    })
    .await;
}

#[tokio::test]
async fn scopes_are_apart() {
    let world = World::new().await;
    let ingest = world.start_with(guarded(), Clock::system()).await;
    let (events, _) = key(&world, &["*"], &[Scope::Events]).await;
    let (operate, _) = key(&world, &[], &[Scope::Operate]).await;
    let (both, _) = key(&world, &["*"], &[Scope::Events, Scope::Operate]).await;
    for (key, may_publish, may_operate) in [(&events, true, false), (&operate, false, true), (&both, true, true)] {
        let (status, body) = event(&ingest, key, &order("o-1", "a", TIME, "1")).await;
        assert_eq!((status == 403, status == 202), (!may_publish, may_publish), "{body}");
        for path in ["/v1/live", "/v1/policies", "/v1/history"] {
            let (status, body) = post(&ingest, key, path, "", "name = ".to_owned()).await;
            assert_eq!((status == 403), (!may_operate), "{path}: {body}");
            if !may_operate {
                assert!(body["error"]["reason"].as_str().unwrap().contains("--scopes operate"), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_any_more() {
    let world = World::new().await;
    let ingest = world.start_with(guarded(), Clock::system()).await;
    let (key, id) = key(&world, &["*"], &[Scope::Events]).await;
    assert_eq!(event(&ingest, &key, &order("o-1", "a", TIME, "1")).await.0, 202);
    // A stream that is open meanwhile.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let body = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let request = ingest.client.post(format!("{}/v1/events", ingest.url)).bearer_auth(&key);
    let request = request.header("content-type", "application/x-ndjson").body(reqwest::Body::wrap_stream(body));
    let streaming = tokio::spawn(async move { answer(request.send().await.unwrap()).await });
    sender.send(Ok(ndjson(&[order("o-2", "a", TIME, "2")]))).await.unwrap();
    eventually("taken", async || world.facts().len() == 2).await;

    assert!(world.store.revoke_api_key(&id).await.unwrap());
    let mut denied = Value::Null;
    eventually("revoked", async || {
        let (status, body) = event(&ingest, &key, &order("o-1", "a", TIME, "1")).await;
        denied = body;
        status == 401
    })
    .await;
    assert!(denied["error"]["reason"].as_str().unwrap().contains("was revoked"), "{denied}");
    // Nobody listens any more if it ended by itself.
    let _ = sender.send(Ok(ndjson(&[order("o-3", "a", TIME, "3")]))).await;
    drop(sender);
    let (status, body) = streaming.await.unwrap();
    assert_eq!((status, &body["error"]["code"]), (401, &json!("bad-key")));
    assert_eq!(world.facts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_known_keys_are_believed() {
    let server = PostgresServer::start();
    let world = World::with_store(&server.database()).await;
    let ingest = world.start_with(guarded(), Clock::system()).await;
    let (known, _) = key(&world, &["*"], &[Scope::Events]).await;
    let (unused, _) = key(&world, &["*"], &[Scope::Operate]).await;
    assert_eq!(event(&ingest, &known, &order("o-1", "a", TIME, "1")).await.0, 202);
    tokio::task::block_in_place(|| server.stop());
    assert_eq!(event(&ingest, &known, &order("o-2", "a", TIME, "1")).await.0, 202);
    // Of a key that nobody knows nothing can be said.
    let strange = NewKey::generate("shop", vec!["*".to_owned()], &[Scope::Events]).unwrap().text;
    let (status, body) = event(&ingest, &strange, &order("o-3", "a", TIME, "1")).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("keys-unavailable")));
    tokio::task::block_in_place(|| server.restart());
    eventually("read again", async || event(&ingest, &strange, &order("o-3", "a", TIME, "1")).await.0 == 401).await;
    assert_eq!(event(&ingest, &unused, &order("o-3", "a", TIME, "1")).await.0, 403);
}

/// Routes of another service behind the keys of ingest.
async fn guarded_routes(ingest: &Instance) -> String {
    let get = axum::routing::get(async || "customers").post(async || "changed");
    let routes = ingest.ingest.guard(axum::Router::new().route("/page", get));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/page", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    url
}

#[tokio::test]
async fn what_other_services_show_is_for_readers() {
    let world = World::new().await;
    let ingest = world.start_with(guarded(), Clock::system()).await;
    let url = guarded_routes(&ingest).await;
    let answered = ingest.client.get(&url).send().await.unwrap();
    assert_eq!(answered.status(), 401);
    assert!(answered.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "), "a browser asks");
    let answered = ingest.client.post(&url).send().await.unwrap();
    assert_eq!(answered.status(), 401);
    assert!(answered.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer "));

    let (events, _) = key(&world, &["*"], &[Scope::Events]).await;
    let (read, id) = key(&world, &[], &[Scope::Read]).await;
    let (operate, _) = key(&world, &[], &[Scope::Operate]).await;
    // Reading and changing; by the key as it is, and as a browser's password.
    for (key, bearer, password) in
        [(&events, [403, 403], [403, 401]), (&read, [200, 403], [200, 401]), (&operate, [200, 200], [200, 401])]
    {
        let of = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
        let (get, post) = (|| ingest.client.get(&url), || ingest.client.post(&url));
        assert_eq!([of(get().bearer_auth(key)).await, of(post().bearer_auth(key)).await], bearer);
        let name = Some(key);
        assert_eq!([of(get().basic_auth("me", name)).await, of(post().basic_auth("me", name)).await], password);
    }
    assert_eq!(event(&ingest, &read, &order("o-1", "a", TIME, "1")).await.0, 403);
    world.store.revoke_api_key(&id).await.unwrap();
    eventually("void", async || ingest.client.get(&url).bearer_auth(&read).send().await.unwrap().status() == 401).await;

    let open = world.start().await;
    let url = guarded_routes(&open).await;
    assert_eq!(open.client.post(&url).send().await.unwrap().status(), 200, "keys aren't asked for");
}
