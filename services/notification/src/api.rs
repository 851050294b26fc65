//! `/v1/deliveries`: looking into the ledger, and trying again what is dead.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tiermesh_domain::time::format_instant;
use tiermesh_store::{DeliveryFilter, LedgerEntry, SaveStore, StoreError};

const STATES: [&str; 5] = ["pending", "retrying", "delivered", "dead", "expired"];
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1_000;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) store: SaveStore,
    /// How many attempts a delivery gets that is tried again.
    pub(crate) attempts: u32,
}

/// The routes below `/v1`.
pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/deliveries", get(list))
        .route("/v1/deliveries/{id}", get(one))
        .route("/v1/deliveries/{id}/retry", post(retry))
        .with_state(api)
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
enum Denial {
    #[error("{0}")]
    BadRequest(String),
    #[error("there is no delivery {0:?}")]
    Unknown(String),
    #[error("delivery {id:?} is {state}: only what is dead or expired can be tried again")]
    NotOver { id: String, state: String },
    #[error("the ledger can't be read: {0}; try again")]
    Store(#[from] StoreError),
}

impl From<QueryRejection> for Denial {
    fn from(rejection: QueryRejection) -> Self {
        Self::BadRequest(format!("{}; known are state, route, customer, after, limit", rejection.body_text()))
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "unknown"),
            Self::NotOver { .. } => (StatusCode::CONFLICT, "not-over"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"),
        };
        (status, Json(json!({"error": {"code": code, "reason": self.to_string()}}))).into_response()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: Option<String>,
    route: Option<String>,
    customer: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

async fn list(State(api): State<Api>, wanted: Result<Query<Wanted>, QueryRejection>) -> Result<Json<Value>, Denial> {
    let Query(wanted) = wanted?;
    if let Some(state) = wanted.state.as_deref().filter(|state| !STATES.contains(state)) {
        return Err(Denial::BadRequest(format!("state: {state:?} is not one of {}", STATES.join(", "))));
    }
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Denial::BadRequest(format!("limit: {limit} is not between 1 and {LARGEST_PAGE}")));
    }
    let after = wanted.after.as_deref().map(after).transpose()?;
    let filter = DeliveryFilter { state: wanted.state, route: wanted.route, customer: wanted.customer, after };
    let page = api.store.deliveries(&filter, limit).await?;
    let is_full = page.len() == limit as usize;
    let next = page.last().filter(|_| is_full).map(|last| format!("{}-{}", last.created_at_ms, last.id));
    let deliveries: Vec<Value> = page.iter().map(shown).collect();
    Ok(Json(json!({"deliveries": deliveries, "next": next})))
}

/// Where a page ended.
fn after(text: &str) -> Result<(i64, String), Denial> {
    let parts = text.split_once('-').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| Denial::BadRequest(format!("after: {text:?} is not the `next` of a page before")))
}

async fn one(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, Denial> {
    let entry = api.store.delivery(&id).await?;
    Ok(Json(shown(&entry.ok_or(Denial::Unknown(id))?)))
}

async fn retry(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<Value>, Denial> {
    let retried = api.store.retry_delivery(&id, api.attempts).await?;
    let entry = api.store.delivery(&id).await?.ok_or_else(|| Denial::Unknown(id.clone()))?;
    if retried { Ok(Json(shown(&entry))) } else { Err(Denial::NotOver { id, state: entry.state }) }
}

fn shown(entry: &LedgerEntry) -> Value {
    json!({
        "id": entry.id,
        "route": entry.route,
        "channel": entry.channel,
        "target": entry.target,
        "type": entry.kind,
        "customer": (!entry.customer.is_empty()).then_some(&entry.customer),
        "state": entry.state,
        "attempts": entry.attempts,
        "reason": (!entry.reason.is_empty()).then_some(&entry.reason),
        "created_at": format_instant(entry.created_at_ms),
        "at": format_instant(entry.at_ms),
        "due_at": entry.due_at_ms.map(format_instant),
        "cause": format!("{}/{}", entry.cause_source, entry.cause_id),
    })
}
