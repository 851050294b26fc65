//! Health: alive from the start, ready once every component has dropped its latch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{Json, Router, http::StatusCode, routing::get};
use serde_json::{Value, json};

use crate::telemetry::metrics;

/// What a process still waits for before it is ready. Clones are the same registry.
#[derive(Debug, Clone, Default)]
pub struct Health {
    registry: Arc<Mutex<Registry>>,
}

#[derive(Debug, Default)]
struct Registry {
    last: u64,
    waiting: Vec<(u64, String)>,
}

/// Held by a component that is not ready; dropped when it is.
#[derive(Debug)]
#[must_use = "the component counts as ready once this is dropped"]
pub struct Latch {
    health: Health,
    id: u64,
}

impl Health {
    /// Registers a component that has to become ready.
    pub fn latch(&self, component: impl Into<String>) -> Latch {
        let mut registry = self.registry();
        registry.last += 1;
        let id = registry.last;
        registry.waiting.push((id, component.into()));
        Latch { health: self.clone(), id }
    }

    /// The components that are not ready.
    pub fn waiting(&self) -> Vec<String> {
        self.registry().waiting.iter().map(|(_, component)| component.clone()).collect()
    }

    /// `/healthz`, `/readyz` and `/metrics`.
    pub fn router(&self) -> Router {
        let health = self.clone();
        Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(|| async { Json(json!({"alive": true})) }))
            .route("/readyz", get(move || async move { health.readiness() }))
    }

    fn readiness(&self) -> (StatusCode, Json<Value>) {
        let waiting = self.waiting();
        let status = if waiting.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(json!({"ready": waiting.is_empty(), "waiting": waiting})))
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.health.registry().waiting.retain(|(id, _)| *id != self.id);
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
}
