//! Reading a whole body, up to a limit.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use crate::answer::Denial;

/// How much beyond a limit is read and thrown away, so that the sender gets to read the answer instead of seeing the
/// connection break.
const MOST_DISCARDED: usize = 64 << 20;

/// How long that may take.
const DISCARD_LIMIT: Duration = Duration::from_secs(10);
/// How long a whole body may take to come: whoever sends it holds room that others wait for.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// The body, unless it is larger than `limit`.
pub(crate) async fn read_body(body: Body, limit: usize, what: &str) -> Result<Bytes, Denial> {
    let read = tokio::time::timeout(READ_LIMIT, read_up_to(body, limit, what)).await;
    read.unwrap_or(Err(Denial::TooSlow(READ_LIMIT.as_secs())))
}

async fn read_up_to(body: Body, limit: usize, what: &str) -> Result<Bytes, Denial> {
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::new();
    while let Some(data) = stream.next().await {
        let data = data.map_err(broken)?;
        if read.len() + data.len() > limit {
            discard(stream).await;
            return Err(Denial::TooLarge(format!(
                "the body is larger than {limit} bytes, the limit for {what}; send less at once, or any number of \
                 events as application/x-ndjson"
            )));
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// That the body could not be read to its end.
pub(crate) fn broken(error: axum::Error) -> Denial {
    Denial::BadRequest(format!("the body ended early: {error}"))
}

/// Reads a body that nobody wants, so that whoever sends it gets to read the answer.
pub(crate) async fn discard(mut stream: BodyDataStream) {
    let reading = async {
        let mut discarded = 0;
        while let Some(Ok(data)) = stream.next().await {
            discarded += data.len();
            if discarded > MOST_DISCARDED {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_LIMIT, reading).await;
}
