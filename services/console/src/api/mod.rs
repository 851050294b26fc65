//! The query API: JSON over the read model. What it answers is described in docs/api.md.

mod customers;
mod error;
mod lists;
mod parameters;
mod status;
mod stream;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use serde_json::{Value, json};
use tiermesh_store::read_model::ReadModel;
use tokio::sync::watch;

use crate::{live::Live, progress::Progress};
use error::Failure;

/// What the routes share.
pub(crate) struct Shared {
    pub(crate) model: ReadModel,
    pub(crate) partitions: u32,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) live: Live,
}

type Answer = Result<Json<Value>, Failure>;

/// The routes below `/api/v1`.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let routes = Router::new()
        .route("/customers", get(customers::list))
        .route("/customers/{id}", get(customers::one))
        .route("/customers/{id}/timeline", get(customers::timeline))
        .route("/tiers", get(status::tiers))
        .route("/changes", get(lists::changes))
        .route("/signals", get(lists::signals))
        .route("/deliveries", get(lists::deliveries))
        .route("/status", get(status::status))
        .route("/live", get(stream::live))
        .fallback(unknown)
        .layer(middleware::from_fn(not_kept))
        .with_state(shared);
    Router::new().nest("/api/v1", routes)
}

impl Shared {
    /// A page of a list.
    fn page(&self, items: Vec<Value>, next: Option<String>) -> Answer {
        Ok(Json(json!({"items": items, "next": next, "building": self.progress.borrow().shown()})))
    }
}

async fn unknown() -> Failure {
    Failure::Unknown(
        "there is no such resource; /api/v1 has customers, tiers, changes, signals, deliveries, status, live"
            .to_owned(),
    )
}

/// What is answered now is old the next moment.
async fn not_kept(request: axum::extract::Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
