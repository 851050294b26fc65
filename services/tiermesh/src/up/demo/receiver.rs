//! The demo's webhook receiver: what a system of one's own would do with messages. It checks each signature, counts a
//! message once by its id, prints it, and shows the latest on a page.

use std::{
    collections::VecDeque,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Html,
    routing::{get, post},
};
use rand::Rng;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tiermesh_notification::Routes;
use tiermesh_service_host::{Shutdown, bind, serve};

use crate::cli::CommandError;

/// Messages kept for the page, and ids for counting each once.
const KEPT: usize = 500;

/// A receiver that listens.
pub struct Receiver {
    address: SocketAddr,
    secret: String,
}

struct Inbox {
    webhook: Webhook,
    json: bool,
    messages: Mutex<VecDeque<Message>>,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: Value,
}

impl Receiver {
    /// Listens on a port of its own, of this machine alone, until the process stops.
    pub async fn start(json: bool, shutdown: &Shutdown) -> Result<Self, CommandError> {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_addr()?;
        let secret = secret();
        let inbox = Inbox { webhook: Webhook::new(&secret)?, json, messages: Mutex::default() };
        let router = router(Arc::new(inbox));
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(listener, router, &shutdown).await {
                tracing::warn!("the demo's webhook receiver: {error}");
            }
        });
        Ok(Self { address, secret })
    }

    /// Its page.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Routes that lead to it, from a file as anybody would write it.
    pub fn routes(&self) -> Result<Routes, CommandError> {
        let webhook = format!("{{ url = \"{}/hook\", secret = \"{}\" }}", self.url(), self.secret);
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile()?;
        write!(
            file,
            "[[routes]]\nname = \"signals\"\nwhat = \"signals\"\nstates = [\"raised\", \"lost\"]\n\
             webhook = {webhook}\n\n\
             [[routes]]\nname = \"score-card\"\nwhat = \"tier-changes\"\npolicies = [\"scorecard\"]\n\
             webhook = {webhook}\n\n\
             [[routes]]\nname = \"operations\"\nwhat = \"operations\"\nwebhook = {webhook}\n"
        )?;
        Ok(Routes::load(file.path())?)
    }
}

/// Digits of hexadecimal numbers are base64 too, which is the form of such secrets.
fn secret() -> String {
    let mut dice = rand::rng();
    format!("whsec_{:032x}{:032x}", dice.random::<u128>(), dice.random::<u128>())
}

fn router(inbox: Arc<Inbox>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/messages", get(messages))
        .route("/hook", post(receive))
        .with_state(inbox)
}

async fn receive(State(inbox): State<Arc<Inbox>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if let Err(error) = inbox.webhook.verify(&body, &headers) {
        tracing::warn!("the demo's webhook receiver refused a message: {error}");
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let mut messages = inbox.messages();
    if messages.iter().any(|message| message.id == id) {
        return StatusCode::NO_CONTENT;
    }
    if inbox.json {
        println!("{}", json!({"webhook": id, "message": body}));
    } else {
        println!("webhook  {}", text(&body));
    }
    if messages.len() == KEPT {
        messages.pop_front();
    }
    messages.push_back(Message { id, body });
    StatusCode::NO_CONTENT
}

async fn messages(State(inbox): State<Arc<Inbox>>) -> Json<Value> {
    let messages = inbox.messages();
    Json(messages.iter().rev().map(|message| json!({"id": message.id, "message": message.body})).collect())
}

async fn page(State(inbox): State<Arc<Inbox>>) -> Html<String> {
    let rows: String = {
        let messages = inbox.messages();
        let row = |message: &Message| {
            let when = message.body["timestamp"].as_str().unwrap_or_default();
            format!("<li><time>{}</time> {}</li>\n", escaped(when), escaped(&text(&message.body)))
        };
        messages.iter().rev().map(row).collect()
    };
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">\
         <title>Received webhooks</title><style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui;\
         margin:2rem auto;max-width:60rem;padding:0 1rem}}time{{opacity:.6;font-size:.85em}}li{{margin:.4rem 0}}</style>\
         <h1>Received webhooks</h1><p>Signed messages from Tiermesh, each counted once. Newest first.</p>\
         <ul>{rows}</ul></html>"
    ))
}

/// The sentence for people, or the type if there is none.
fn text(body: &Value) -> String {
    let said = &body["data"]["text"]["en"];
    said.as_str().or_else(|| body["type"].as_str()).unwrap_or_default().to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Inbox {
    fn messages(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(webhook: &Webhook, id: &str, body: &str) -> HeaderMap {
        let now = tiermesh_ingest::Clock::system().now_ms() / 1_000;
        let signature = webhook.sign(id, now, body.as_bytes()).unwrap();
        let pairs =
            [("webhook-id", id.to_owned()), ("webhook-timestamp", now.to_string()), ("webhook-signature", signature)];
        pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[tokio::test]
    async fn what_is_signed_is_taken_once_and_shown_escaped() {
        let secret = secret();
        let inbox = Inbox { webhook: Webhook::new(&secret).unwrap(), json: false, messages: Mutex::default() };
        let (inbox, webhook) = (State(Arc::new(inbox)), Webhook::new(&secret).unwrap());
        let body =
            json!({"type": "t", "timestamp": "2026-01-01T00:00:00Z", "data": {"text": {"en": "<b>"}}}).to_string();
        for _ in 0..2 {
            let status = receive(inbox.clone(), signed(&webhook, "m1", &body), body.clone().into()).await;
            assert_eq!(status, StatusCode::NO_CONTENT);
        }
        let other = Webhook::new(&self::secret()).unwrap();
        let status = receive(inbox.clone(), signed(&other, "m2", &body), body.into()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(messages(inbox.clone()).await.0.as_array().unwrap().len(), 1);
        let Html(page) = page(inbox).await;
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"));
    }
}
