//! `POST /v1/dead-letters`: rows of a file of which the sender could make no event. They are kept, so that nothing is
//! lost.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use serde::Deserialize;
use serde_json::{Value, json};
use tiermesh_domain::fact::Refusal;
use tiermesh_proto::v1::FilePlace;
use tokio::time::Instant;

use crate::{
    answer::Denial,
    appending::{BadEvent, Found},
    events::read_body,
    keys::Scope,
    service::Service,
    settings::{LARGEST_BATCH, LARGEST_BODY},
};

/// What the originals are kept as: a JSON object, column by column, or a string.
const CONTENT_TYPE: &str = "application/vnd.tiermesh.row+json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unreadable {
    letters: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    file: String,
    line: u64,
    #[serde(default)]
    field: String,
    reason: String,
    original: Value,
}

/// Keeps them.
pub(crate) async fn post_unreadable(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Denial> {
    service.access.caller(&headers).await?.may(Scope::Events)?;
    let _request = service.admission.request().await?;
    let _bytes = service.admission.bytes(LARGEST_BODY).await?;
    let body = read_body(body, LARGEST_BODY, "unreadable rows").await?;
    let rows: Unreadable = serde_json::from_slice(&body).map_err(|error| {
        Denial::BadRequest(format!(
            "{error}; expected {{\"letters\": [{{\"file\", \"line\", \"field\"?, \"reason\", \"original\"}}]}}"
        ))
    })?;
    if rows.letters.len() > LARGEST_BATCH {
        let reason =
            format!("letters: there are {}; the limit is {LARGEST_BATCH}: send less at once", rows.letters.len());
        return Err(Denial::TooLarge(reason));
    }
    let kept = rows.letters.len();
    let letters = rows.letters.into_iter().map(letter).collect();
    let deadline = Instant::now() + service.intake.settings.ack_limit;
    service.intake.dead_letters.keep(letters, deadline).await?;
    Ok(Json(json!({"kept": kept})))
}

fn letter(row: Row) -> BadEvent {
    BadEvent {
        refusal: Refusal::new(row.field, row.reason),
        original: row.original.to_string().into(),
        content_type: CONTENT_TYPE.to_owned(),
        headers: Vec::new(),
        source: String::new(),
        id: String::new(),
        subject: String::new(),
        found: Found::File(FilePlace { name: row.file, line: row.line }),
    }
}
