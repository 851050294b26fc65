//! Somebody's webhook: it checks signatures, honours `webhook-id`, and is out of order now and then.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::runtime::Runtime;

/// Of so many new messages, one is turned away at its first attempt.
const FAILS_EVERY: usize = 7;

/// A receiver that runs until it is dropped.
pub(crate) struct Receiver {
    book: Arc<Mutex<Book>>,
    port: u16,
    _runtime: Runtime,
}

struct Book {
    webhook: Webhook,
    /// What was accepted, by id: the body.
    accepted: BTreeMap<String, Bytes>,
    seen: BTreeSet<String>,
    turned_away: BTreeSet<String>,
    /// What no honest sender sends.
    faults: Vec<String>,
}

impl Receiver {
    /// Listens, knowing this secret.
    pub(crate) fn start(secret: &str) -> Self {
        let webhook = Webhook::new(secret).unwrap();
        let (accepted, seen, turned_away) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let book = Arc::new(Mutex::new(Book { webhook, accepted, seen, turned_away, faults: Vec::new() }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&book));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { book, port, _runtime: runtime }
    }

    /// Where to send to.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The ids of what was accepted.
    pub(crate) fn accepted(&self) -> BTreeSet<String> {
        self.book.lock().unwrap().accepted.keys().cloned().collect()
    }

    /// How many messages were accepted.
    pub(crate) fn count(&self) -> usize {
        self.book.lock().unwrap().accepted.len()
    }

    /// What was accepted, by type.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let book = self.book.lock().unwrap();
        let mut bodies: Vec<Value> = book.accepted.values().map(|body| serde_json::from_slice(body).unwrap()).collect();
        bodies.sort_by_key(|body| body["type"].to_string());
        bodies
    }

    /// Everything was signed, what came twice was the same, and what was turned away came again.
    pub(crate) fn assert_honest(&self) {
        let book = self.book.lock().unwrap();
        assert_eq!(book.faults, Vec::<String>::new());
        assert!(!book.turned_away.is_empty(), "nothing was turned away: nothing had to be tried again");
        assert!(
            book.turned_away.iter().all(|id| book.accepted.contains_key(id)),
            "what was turned away never came again"
        );
    }
}

async fn receive(State(book): State<Arc<Mutex<Book>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut book = book.lock().unwrap();
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    if let Err(error) = book.webhook.verify(&body, &headers) {
        book.faults.push(format!("{id}: {error}"));
        return StatusCode::UNAUTHORIZED;
    }
    if let Some(earlier) = book.accepted.get(&id) {
        if *earlier != body {
            book.faults.push(format!("{id} came twice, with different bodies"));
        }
        return StatusCode::OK;
    }
    if book.seen.insert(id.clone()) && book.seen.len().is_multiple_of(FAILS_EVERY) {
        book.turned_away.insert(id);
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    book.accepted.insert(id, body);
    StatusCode::OK
}
