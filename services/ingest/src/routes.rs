//! The routes: which doors there are, who may pass them, and what is told to who looks for another.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, Uri},
    middleware::from_fn_with_state,
    routing::{any, post},
};
use tiermesh_service_host::Health;

use crate::{
    answer::Denial,
    dead_letters,
    events::post_events,
    grpc, history,
    keys::require_operate,
    live::post_live,
    logic::{get_logic, post_logic},
    policies::{get_policies, post_policy},
    service::Service,
};

/// What there is, for who asked for something else.
const KNOWN: &str = "POST /v1/events, GET and POST /v1/policies, GET and POST /v1/logic, POST /v1/live, POST /v1/dead-letters, \
    POST /v1/dead-letters/{id}/resolve, POST /v1/dead-letters/{id}/dismiss, POST /v1/history, \
    POST /v1/history/{session}/events, POST /v1/history/{session}/end, \
    POST /v1/history/{session}/leave, GET /healthz, GET /readyz, \
    GET /metrics";

/// Everything that ingest answers, but its health over HTTP.
pub(crate) fn router(service: &Arc<Service>, health: &Health) -> Router {
    let operate = Router::new()
        .route("/v1/policies", post(post_policy).get(get_policies))
        .route("/v1/logic", post(post_logic).get(get_logic))
        .route("/v1/live", post(post_live))
        .route("/v1/dead-letters/{id}/resolve", post(dead_letters::resolve))
        .route("/v1/dead-letters/{id}/dismiss", post(dead_letters::dismiss))
        .route("/v1/history", post(history::open))
        .route("/v1/history/{session}/events", post(history::events))
        .route("/v1/history/{session}/end", post(history::end))
        .route("/v1/history/{session}/leave", post(history::leave))
        .route_layer(from_fn_with_state(Arc::clone(service), require_operate));
    Router::new()
        // Asks for its caller itself: which sources they may send for is said event by event.
        .route("/v1/events", post(post_events))
        .route("/v1/dead-letters", post(dead_letters::post_unreadable))
        .merge(operate)
        .method_not_allowed_fallback(wrong_method)
        .route("/v1/", any(nothing_there))
        .route("/v1/{*rest}", any(nothing_there))
        // Each door has its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::clone(service))
        .merge(grpc::routes(service, health))
}

/// What is answered where nothing is.
pub(crate) async fn nothing_there(uri: Uri) -> Denial {
    Denial::NoSuchPath { path: uri.path().to_owned(), known: KNOWN.to_owned() }
}

async fn wrong_method(method: Method, uri: Uri) -> Denial {
    Denial::Method { method: method.to_string(), path: uri.path().to_owned(), known: KNOWN.to_owned() }
}
