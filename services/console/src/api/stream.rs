//! What is new, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::Stream;

use super::{Shared, error::Failure, parameters::Parameters};

/// Between two signs of life, so that nothing on the way takes the connection for dead.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

pub(super) async fn live(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    query: RawQuery,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    Parameters::read(query, &[])?;
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let news = shared.live.listen(last_id).await?;
    Ok(Sse::new(news).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}
