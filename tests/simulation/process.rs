//! A process: all services of the mesh on a runtime of its own, whose clock only the simulation moves.
//!
//! Dropping the runtime is a crash: whatever it ran ends at the await it stands at. A runtime that isn't driven is a
//! frozen process.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http};
use tiermesh_churn_warning::ChurnWarningProcessor;
use tiermesh_event_log::{EventLog, memory::MemoryLog};
use tiermesh_ingest::{Clock, Ingest, Service, Settings};
use tiermesh_processing::{RunError, ServiceContext, run_consumer, run_service};
use tiermesh_scoring::{CutPointsProcessor, ScoringProcessor};
use tiermesh_service_host::Health;
use tiermesh_store::{MemoryStore, SaveStore};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{
    gate::Gate,
    listener::{Heard, Listener},
    sim_log::SimLog,
};

/// Something for a door.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// An event, by its number among all that were made.
    Event { number: usize, body: String },
    /// A document, by its number among all.
    Document { number: usize, text: String },
}

/// What became of requests. Shared by all doors.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// By number: events that the mesh answers for.
    pub(crate) events: BTreeMap<usize, u16>,
    pub(crate) documents: BTreeMap<usize, Result<(), String>>,
}

/// What all processes share.
#[derive(Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) store: MemoryStore,
    pub(crate) heard: Heard,
    pub(crate) untidy: Arc<Mutex<Vec<String>>>,
    pub(crate) answers: Arc<Mutex<Answers>>,
    /// Milliseconds since 1970.
    pub(crate) wall: Arc<AtomicI64>,
}

/// A process.
pub(crate) struct Process {
    pub(crate) client: String,
    pub(crate) gate: Arc<Gate>,
    /// How far its clock is wrong, in milliseconds.
    pub(crate) skew: Arc<AtomicI64>,
    /// Time that it hasn't noticed yet.
    pub(crate) missed: Duration,
    /// The groups gave up on it while it was frozen.
    pub(crate) given_up: bool,
    requests: mpsc::UnboundedSender<Request>,
    stop: CancellationToken,
    services: Vec<(&'static str, JoinHandle<Result<(), RunError>>)>,
    ingest: Option<JoinHandle<()>>,
    runtime: Runtime,
}

impl Process {
    pub(crate) fn start(log: &MemoryLog, around: &Surroundings, client: String, fetch: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let gate = Arc::new(Gate::default());
        let skew = Arc::new(AtomicI64::new(0));
        let stop = CancellationToken::new();
        let (requests, asked) = mpsc::unbounded_channel();
        let client_log = log.client(&client);
        let sim_log = |service| -> Arc<dyn EventLog> {
            let untidy = Arc::clone(&around.untidy);
            Arc::new(SimLog::new(client_log.clone(), Arc::clone(&gate), service, fetch, untidy))
        };
        let store = SaveStore::in_memory(&around.store, Arc::clone(&gate) as _);
        let health = Health::default();
        let context = |service| ServiceContext {
            log: sim_log(service),
            store: store.clone(),
            stop: stop.clone(),
            health: health.clone(),
        };
        let partitions = crate::world::PARTITIONS;
        let guard = runtime.enter();
        let listener = Listener { store: store.clone(), gate: Arc::clone(&gate), heard: around.heard.clone() };
        let services = vec![
            ("scoring", tokio::spawn(run_service(ScoringProcessor { partitions }, context("scoring")))),
            ("cut-points", tokio::spawn(run_service(CutPointsProcessor, context("cut-points")))),
            (
                "churn-warning",
                tokio::spawn(run_service(ChurnWarningProcessor { partitions }, context("churn-warning"))),
            ),
            ("listener", tokio::spawn(run_consumer(Arc::new(listener), sim_log("listener"), stop.clone()))),
        ];
        let (wall, wrong) = (Arc::clone(&around.wall), Arc::clone(&skew));
        let clock = Clock::of(move || wall.load(Ordering::Relaxed) + wrong.load(Ordering::Relaxed));
        let door = Door { asked, answers: Arc::clone(&around.answers), stop: stop.clone() };
        let ingest = tokio::spawn(door.open(sim_log("ingest"), store.clone(), clock, health));
        drop(guard);
        Self {
            client,
            gate,
            skew,
            missed: Duration::ZERO,
            given_up: false,
            requests,
            stop,
            services,
            ingest: Some(ingest),
            runtime,
        }
    }

    /// Lets it go on: so many rounds of all tasks that are ready.
    pub(crate) fn run(&self, turns: u32) {
        self.runtime.block_on(async {
            for _ in 0..turns {
                if self.gate.is_dead() || self.gate.is_frozen() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
    }

    /// Lets it notice that time passed.
    pub(crate) fn pass(&mut self, time: Duration) {
        let time = time + std::mem::take(&mut self.missed);
        self.runtime.block_on(tokio::time::advance(time));
    }

    pub(crate) fn ask(&self, request: Request) {
        // It is of no matter that nobody is there to answer: then nobody does.
        let _ = self.requests.send(request);
    }

    /// Asks it to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// It has done what it was asked to.
    pub(crate) fn is_stopped(&self) -> bool {
        self.services.iter().all(|(_, task)| task.is_finished())
            && self.ingest.as_ref().is_none_or(|task| task.is_finished())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Why a service ended that nobody asked to, or ended in a way that takes a person.
    pub(crate) fn broken(&mut self) -> Option<String> {
        let ended = self.services.iter().position(|(_, task)| task.is_finished())?;
        let (service, task) = self.services.remove(ended);
        match self.runtime.block_on(task) {
            Ok(Ok(())) if self.stop.is_cancelled() => None,
            Ok(Ok(())) => Some(format!("{service} ended unasked")),
            Ok(Err(error)) => Some(format!("{service} gave up: {error}")),
            Err(panic) => Some(format!("{service}: {panic}")),
        }
    }
}

/// Ingest and its one visitor, who asks one thing after the other.
struct Door {
    asked: mpsc::UnboundedReceiver<Request>,
    answers: Arc<Mutex<Answers>>,
    stop: CancellationToken,
}

impl Door {
    async fn open(self, log: Arc<dyn EventLog>, store: SaveStore, clock: Clock, health: Health) {
        let settings = Settings {
            tick_interval: Duration::from_secs(1),
            allow_time_leap: true,
            require_keys: false,
            ack_limit: Duration::from_secs(10),
            ..Settings::default()
        };
        let ingest = Ingest::start(log, store, settings, clock, &health).await.unwrap();
        let (service, router) = (ingest.service(), ingest.router());
        let Self { mut asked, answers, stop } = self;
        let asking = async {
            while let Some(request) = asked.recv().await {
                answer(&answers, &service, &router, request).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = asking => {}
        }
        ingest.stop().await;
    }
}

async fn answer(answers: &Mutex<Answers>, service: &Arc<Service>, router: &Router, request: Request) {
    match request {
        Request::Event { number, body } => {
            let post = http::Request::post("/v1/events").header("content-type", "application/cloudevents+json");
            let answer = router.clone().oneshot(post.body(Body::from(body)).unwrap()).await.unwrap();
            answers.lock().unwrap().events.insert(number, answer.status().as_u16());
        }
        Request::Document { number, text } => {
            let outcome = service.activate(&text).await.map(drop).map_err(|error| error.to_string());
            answers.lock().unwrap().documents.insert(number, outcome);
        }
    }
}
