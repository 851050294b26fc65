//! Health: alive from the start, ready once every component has dropped its latch; and what troubles a component that
//! goes on as well as it can.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Json, Router, http::StatusCode, routing::get};
use serde_json::{Value, json};

use crate::telemetry::metrics;

/// What a process still waits for before it is ready, and what troubles it. Clones are the same registry.
#[derive(Debug, Clone, Default)]
pub struct Health {
    registry: Arc<Mutex<Registry>>,
}

#[derive(Debug, Default)]
struct Registry {
    last: u64,
    waiting: Vec<(u64, String)>,
    troubles: Vec<(u64, String)>,
    about: BTreeMap<&'static str, Value>,
}

/// Held by a component that is not ready; dropped when it is.
#[derive(Debug)]
#[must_use = "the component counts as ready once this is dropped"]
pub struct Latch {
    health: Health,
    id: u64,
}

/// Held while something is wrong that doesn't keep the process from its work; dropped when it is over.
#[derive(Debug)]
#[must_use = "the trouble counts as over once this is dropped"]
pub struct Trouble {
    health: Health,
    id: u64,
}

impl Health {
    /// Registers a component that has to become ready.
    pub fn latch(&self, component: impl Into<String>) -> Latch {
        let mut registry = self.registry();
        let id = registry.next();
        registry.waiting.push((id, component.into()));
        Latch { health: self.clone(), id }
    }

    /// Registers that something is wrong while the rest goes on: what, where, and what to do. It doesn't make the
    /// process unready; whoever looks after it is told.
    pub fn trouble(&self, what: impl Into<String>) -> Trouble {
        let mut registry = self.registry();
        let id = registry.next();
        registry.troubles.push((id, what.into()));
        Trouble { health: self.clone(), id }
    }

    /// The components that are not ready.
    pub fn waiting(&self) -> Vec<String> {
        self.registry().waiting.iter().map(|(_, component)| component.clone()).collect()
    }

    /// What is wrong while the rest goes on.
    pub fn troubles(&self) -> Vec<String> {
        self.registry().troubles.iter().map(|(_, what)| what.clone()).collect()
    }

    /// Tells something about the process that stays as it is, in `/healthz`.
    pub fn tell(&self, name: &'static str, value: impl Into<Value>) {
        self.registry().about.insert(name, value.into());
    }

    /// `/healthz`, `/readyz` and `/metrics`.
    pub fn router(&self) -> Router {
        let (alive, health) = (self.clone(), self.clone());
        Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(move || async move { Json(alive.liveness()) }))
            .route("/readyz", get(move || async move { health.readiness() }))
    }

    fn liveness(&self) -> Value {
        let mut told = json!({"alive": true});
        for (name, value) in &self.registry().about {
            told[*name] = value.clone();
        }
        told
    }

    fn readiness(&self) -> (StatusCode, Json<Value>) {
        let waiting = self.waiting();
        let status = if waiting.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(json!({"ready": waiting.is_empty(), "waiting": waiting, "troubles": self.troubles()})))
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.health.registry().waiting.retain(|(id, _)| *id != self.id);
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.health.registry().troubles.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_all_latches_are_dropped() {
        let health = Health::default();
        let (log, store) = (health.latch("log"), health.latch("store"));
        assert_eq!(health.readiness().0, StatusCode::SERVICE_UNAVAILABLE);
        drop(log);
        assert_eq!(health.waiting(), ["store"]);
        drop(store);
        assert_eq!(health.readiness().0, StatusCode::OK);
    }

    #[test]
    fn what_is_told_stands_in_liveness() {
        let health = Health::default();
        health.tell("logic", vec![1, 2]);
        assert_eq!(health.liveness(), json!({"alive": true, "logic": [1, 2]}));
    }

    #[test]
    fn trouble_is_told_while_it_lasts_and_leaves_the_process_ready() {
        let health = Health::default();
        let trouble = health.trouble("disk full");
        let (status, Json(told)) = health.readiness();
        assert_eq!((status, &told["troubles"]), (StatusCode::OK, &json!(["disk full"])));
        drop(trouble);
        assert_eq!(health.readiness().1["troubles"], json!([]));
    }
}
