//! Whole requests that can't be done: status, code and remedy. The mesh goes on.

use reqwest::{Client, Method};
use serde_json::Value;

use super::{Faults, good, mesh};

struct Row {
    what: &'static str,
    method: Method,
    path: &'static str,
    content_type: &'static str,
    body: String,
    status: u16,
    words: &'static [&'static str],
}

fn row(
    what: &'static str,
    (method, path): (Method, &'static str),
    content_type: &'static str,
    body: impl Into<String>,
    status: u16,
    words: &'static [&'static str],
) -> Row {
    Row { what, method, path, content_type, body: body.into(), status, words }
}

fn rows() -> Vec<Row> {
    let (json, event, batch) =
        ("application/json", "application/cloudevents+json", "application/cloudevents-batch+json");
    let post = |path| (Method::POST, path);
    let large = format!("[\"{}\"]", "x".repeat(5 << 20));
    vec![
        row("no JSON", post("/v1/events"), event, "order", 400, &["not JSON"]),
        row("no array", post("/v1/events"), batch, "{}", 400, &["not a JSON array"]),
        row("another type", post("/v1/events"), "text/xml", "<order/>", 415, &["text/xml", "application/x-ndjson"]),
        row("a large body", post("/v1/events"), batch, large, 413, &["4194304", "application/x-ndjson"]),
        row("a large event", post("/v1/events"), event, "x".repeat(300 << 10), 413, &["262144"]),
        row("another method", (Method::GET, "/v1/events"), "", "", 405, &["POST /v1/events"]),
        row("another path", post("/v1/event"), json, "{}", 404, &["/v1/event", "POST /v1/events"]),
        row("no policy", post("/v1/policies"), "text/plain", "name = ", 400, &["\"line\":1"]),
        row("no such session", post("/v1/history/none/end"), json, "{}", 404, &["no such history session"]),
        row("no letters", post("/v1/dead-letters"), json, "[]", 400, &["letters"]),
        row(
            "no such letter",
            post("/v1/dead-letters/0-999/resolve"),
            event,
            "{}",
            404,
            &["0-999", "dead-letters list"],
        ),
        row("no letter's id", post("/v1/dead-letters/x/dismiss"), json, "{\"reason\":\"r\"}", 400, &["such as 3-17"]),
    ]
}

#[test]
fn each_is_answered_with_what_to_do() {
    let (mesh, mut faults) = (mesh(), Faults::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tiermesh_service_host::install_tls();
        let client = Client::new();
        for Row { what, method, path, content_type, body, status, words } in rows() {
            let request = client.request(method, format!("{}{path}", mesh.url())).header("content-type", content_type);
            let answer = request.body(body).send().await.unwrap();
            let (found, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            assert_eq!(found, status, "{what}: {text}");
            let json: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: no JSON: {text}"));
            assert!(json["error"]["code"].is_string(), "{what}: {text}");
            faults.tells(what, &text, words);
            let neighbour = client.post(format!("{}/v1/events", mesh.url())).json(&good(what)).send().await.unwrap();
            assert_eq!(neighbour.status().as_u16(), 202, "{what}: a good event after it");
        }
    });
    faults.none();
}
