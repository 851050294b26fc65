//! What is new, as it is committed: one task reads it once, and every listener has a bounded queue.
//!
//! Who is too slow for the queue is dropped, never waited for; with the id of the last item seen a listener goes on from
//! the read model.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::sse::Event;
use futures::{Stream, StreamExt, stream};
use tiermesh_store::{
    StoreError,
    read_model::{FeedRow, ReadModel},
};
use tokio::sync::{
    Notify,
    broadcast::{self, error::RecvError},
};
use tokio_util::sync::CancellationToken;

use crate::messages;

/// How many items a listener may be behind.
const QUEUE: usize = 1_024;
/// So many items a listener that comes back is told of; one that missed more is told to load anew.
const MOST_MISSED: i64 = 5_000;
/// How many listeners there may be.
const MOST_LISTENERS: usize = 200;
/// Rows read at a time.
const PAGE: u32 = 500;
/// How long another instance's rows may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something new: where it stands in which generation of the read model.
#[derive(Debug, Clone)]
struct Item {
    generation: i64,
    row: Arc<FeedRow>,
}

/// Tells listeners what is new.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    model: ReadModel,
    items: broadcast::Sender<Item>,
    stop: CancellationToken,
}

/// Why nobody more can listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("{MOST_LISTENERS} listeners are connected, which is the most; try again later")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Live {
    pub(crate) fn new(model: ReadModel, stop: CancellationToken) -> Self {
        Self { model, items: broadcast::Sender::new(QUEUE), stop }
    }

    /// Reads what is new for as long as anybody listens.
    pub(crate) async fn tell(self, committed: Arc<Notify>) {
        let mut at = None;
        loop {
            tokio::select! {
                () = committed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if let Err(error) = self.tell_since(&mut at).await {
                tracing::warn!("what is new can't be told: {error}");
            }
        }
    }

    async fn tell_since(&self, at: &mut Option<(i64, i64)>) -> Result<(), StoreError> {
        // In this order: who begins to listen meanwhile reads a number that is not below this one.
        let now = self.model.standing().await?;
        let is_heard = self.items.receiver_count() > 0;
        let (generation, mut number) = match *at {
            Some((generation, number)) if generation == now.generation && is_heard => (generation, number),
            _ => {
                *at = Some((now.generation, now.number));
                return Ok(());
            }
        };
        loop {
            let rows = self.model.feed(number, PAGE).await?;
            let is_all = rows.len() < PAGE as usize;
            for row in rows {
                number = row.number;
                // Nobody listens any more.
                let _ = self.items.send(Item { generation, row: Arc::new(row) });
            }
            *at = Some((generation, number));
            if is_all {
                return Ok(());
            }
        }
    }

    /// What is new from now on, or behind the item of that id.
    pub(crate) async fn listen(
        &self,
        last_id: Option<&str>,
    ) -> Result<impl Stream<Item = Result<Event, Infallible>> + Send + use<>, ListenError> {
        if self.items.receiver_count() >= MOST_LISTENERS {
            return Err(ListenError::TooMany);
        }
        // First, so that nothing falls between what is read and what is told.
        let items = self.items.subscribe();
        let now = self.model.standing().await?;
        let known = last_id.and_then(parse_id);
        let resumed = known.filter(|(generation, number)| {
            *generation == now.generation && now.number.saturating_sub(*number) <= MOST_MISSED
        });
        // Whoever knew something that can't be gone on from has to load anew.
        let is_reset = last_id.is_some() && resumed.is_none();
        let number = resumed.map_or(now.number, |(_, number)| number);
        let beginning =
            Event::default().event(if is_reset { "reset" } else { "hello" }).id(id(now.generation, number)).data("{}");
        let listener = Listener {
            live: self.clone(),
            items,
            generation: now.generation,
            number,
            missed: resumed.is_some(),
            waiting: Vec::new().into_iter(),
        };
        let news = stream::unfold(listener, Listener::next);
        let stop = self.stop.clone().cancelled_owned();
        Ok(stream::once(async { Ok(beginning) }).chain(news).take_until(stop))
    }
}

struct Listener {
    live: Live,
    items: broadcast::Receiver<Item>,
    generation: i64,
    number: i64,
    /// There may be items that were committed while this one was away.
    missed: bool,
    /// Those of them that were read.
    waiting: std::vec::IntoIter<FeedRow>,
}

impl Listener {
    /// The next item; `None` ends the connection.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(row) = self.waiting.next() {
                self.number = row.number;
                return Some((Ok(event(self.generation, &row)), self));
            }
            if self.missed {
                let rows = self.live.model.feed(self.number, PAGE).await.ok()?;
                self.missed = rows.len() == PAGE as usize;
                self.waiting = rows.into_iter();
                continue;
            }
            match self.items.recv().await {
                Ok(item) if item.generation != self.generation => return None,
                Ok(item) if item.row.number <= self.number => {}
                Ok(item) => {
                    self.number = item.row.number;
                    return Some((Ok(event(self.generation, &item.row)), self));
                }
                // Too slow, or all is over.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
            }
        }
    }
}

fn event(generation: i64, row: &FeedRow) -> Event {
    let event = Event::default().event(messages::name(row.kind)).id(id(generation, row.number));
    event.data(messages::news(row).to_string())
}

fn id(generation: i64, number: i64) -> String {
    format!("{generation}-{number}")
}

fn parse_id(text: &str) -> Option<(i64, i64)> {
    let (generation, number) = text.split_once('-')?;
    Some((generation.parse().ok()?, number.parse().ok()?))
}
