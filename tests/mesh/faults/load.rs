//! The load: customers who come, one batch after the other, each sent again until it is answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::compose_mesh::events_of;

/// Customers of a request.
const AT_ONCE: usize = 4;
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(250);
/// An ingest that is frozen takes a request and never answers.
const ANSWERS_WITHIN: Duration = Duration::from_secs(8);

/// Events on their way.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    sending: JoinHandle<Vec<Value>>,
}

impl Load {
    /// Begins to send to these instances of ingest, to the next of them where one doesn't answer.
    pub(super) fn start(urls: Vec<String>) -> Self {
        let (stop, accepted) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let sending = {
            let (stop, accepted) = (Arc::clone(&stop), Arc::clone(&accepted));
            std::thread::spawn(move || send(&urls, &stop, &accepted))
        };
        Self { stop, accepted, sending }
    }

    /// How many events were accepted so far.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Ends it once the batch on its way is answered; all events that were accepted.
    pub(super) fn stop(self) -> Vec<Value> {
        self.stop.store(true, Ordering::Relaxed);
        self.sending.join().unwrap()
    }
}

fn send(urls: &[String], stop: &AtomicBool, accepted: &AtomicUsize) -> Vec<Value> {
    tiermesh_service_host::install_tls();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = reqwest::Client::builder().timeout(ANSWERS_WITHIN).build().unwrap();
    let (mut sent, mut at, mut customer) = (Vec::new(), 0, 0);
    while !stop.load(Ordering::Relaxed) {
        let batch: Vec<Value> = (0..AT_ONCE).flat_map(|more| events_of(&format!("load-{}", customer + more))).collect();
        while !is_answered(&runtime, &client, &urls[at % urls.len()], &batch) {
            at += 1;
            std::thread::sleep(PAUSE);
        }
        customer += AT_ONCE;
        accepted.fetch_add(batch.len(), Ordering::Relaxed);
        sent.extend(batch);
        std::thread::sleep(PAUSE);
    }
    sent
}

/// Whether all of a batch is accepted.
fn is_answered(runtime: &Runtime, client: &reqwest::Client, url: &str, batch: &[Value]) -> bool {
    let request = client.post(format!("{url}/v1/events")).body(serde_json::to_vec(batch).unwrap());
    let request = request.header("content-type", "application/cloudevents-batch+json");
    let answer = runtime.block_on(async { request.send().await?.error_for_status()?.json::<Value>().await });
    let Ok(answer) = answer else { return false };
    assert_eq!(answer["refused"], 0, "{answer}");
    true
}
