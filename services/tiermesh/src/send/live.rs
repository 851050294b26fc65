//! Sending as it is: batches in the order of the files, one at a time, so that one customer's events keep their order.

use tokio::sync::mpsc;

use super::{
    SendError,
    batches::{Batch, batches},
    patience::Patience,
    progress::Progress,
    server::{Failure, Server},
    tally::Tally,
    unreadable::{self, BadRow},
};
use crate::{cli::CommandError, input::Event};

/// Batches read ahead of the one that is sent.
const READ_AHEAD: usize = 4;

pub(super) async fn send(
    server: &Server,
    events: impl Iterator<Item = Result<Event, CommandError>> + Send + 'static,
    mut patience: Patience,
    progress: &Progress,
    tally: &mut Tally,
) -> Result<(), SendError> {
    let (sender, mut receiver) = mpsc::channel(READ_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        for batch in batches(events) {
            if sender.blocking_send(batch).is_err() {
                return;
            }
        }
    });
    while let Some(batch) = receiver.recv().await {
        let batch = batch.map_err(SendError::Usage)?;
        send_batch(server, batch, &mut patience, tally).await?;
        progress.set(tally.accepted + tally.duplicates + tally.refused);
    }
    reading.await.map_err(|error| SendError::Broken(format!("reading broke off: {error}")))
}

async fn send_batch(
    server: &Server,
    mut batch: Batch,
    patience: &mut Patience,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let bad_rows = std::mem::take(&mut batch.bad_rows);
    unreadable::keep(server, &bad_rows, patience).await?;
    for BadRow { place, reason, .. } in bad_rows {
        tally.refuse(&place, &reason);
    }
    if batch.places.is_empty() {
        return Ok(());
    }
    let body = bytes::Bytes::from(std::mem::take(&mut batch.body));
    loop {
        match server.post("v1/events", "application/x-ndjson", body.clone()).await {
            Ok(answer) => {
                patience.restore();
                tally.accepted += answer["accepted"].as_u64().unwrap_or_default();
                tally.duplicates += answer["duplicates"].as_u64().unwrap_or_default();
                tally.take(&answer, |line| batch.place(line), |_| true);
                return Ok(());
            }
            // Of a batch whose answer was lost some events may be in: they are duplicates now.
            Err(failure) => patience.bear(failure).await?,
        }
    }
}
