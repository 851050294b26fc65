//! A receiver of webhooks: checks each signature, keeps what came, answers as it is told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
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
use tokio::sync::watch;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) traceparent: Option<String>,
    pub(crate) signatures: usize,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Kept {
    messages: Vec<Message>,
    /// The next answers; then 204.
    answers: VecDeque<(StatusCode, &'static [(&'static str, &'static str)])>,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
    /// While it holds true, nobody is answered.
    silent: watch::Sender<bool>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/T0?key=1", listener.local_addr().unwrap());
        let receiver = Self { url, kept: Arc::default(), silent: watch::Sender::new(false) };
        let router = Router::new().route("/hooks/T0", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    /// The same under another address.
    pub(crate) fn at(&self, url: String) -> Self {
        Self { url, ..self.clone() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.kept().messages.clone()
    }

    /// How often each id came.
    pub(crate) fn ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for message in self.messages() {
            *ids.entry(message.id).or_default() += 1;
        }
        ids
    }

    /// Answers so from here on, and with 204 afterwards.
    pub(crate) fn answer(&self, statuses: &[u16]) {
        let statuses = statuses.iter().map(|status| (StatusCode::from_u16(*status).unwrap(), &[][..]));
        self.kept().answers.extend(statuses);
    }

    /// Answers once so.
    pub(crate) fn answer_with(&self, status: u16, headers: &'static [(&'static str, &'static str)]) {
        self.kept().answers.push_back((StatusCode::from_u16(status).unwrap(), headers));
    }

    pub(crate) fn be_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap, String) {
    if let Err(error) = Webhook::new(SECRET).unwrap().verify(&body, &headers) {
        return (StatusCode::UNAUTHORIZED, HeaderMap::new(), error.to_string());
    }
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let message = Message {
        id: header("webhook-id").unwrap(),
        traceparent: header("traceparent"),
        signatures: header("webhook-signature").unwrap().split(' ').count(),
        body: serde_json::from_slice(&body).unwrap(),
    };
    let (status, with) = {
        let mut kept = receiver.kept();
        kept.messages.push(message);
        kept.answers.pop_front().unwrap_or((StatusCode::NO_CONTENT, &[]))
    };
    receiver.silent.subscribe().wait_for(|silent| !silent).await.unwrap();
    let with = with.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    (status, with, "said the receiver".to_owned())
}
