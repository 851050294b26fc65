//! Admission: how many requests run at once and how many bytes they hold, so that no crowd of senders can take all
//! memory. Whoever finds no room waits a little, with their body unread, and is then told to come again.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::answer::Denial;

/// How long a request waits for room.
const WAIT: Duration = Duration::from_secs(5);
/// Bytes are counted in units of this, rounded up.
const UNIT: usize = 1 << 10;

/// Streams that may be open at once. One that is idle holds a connection and little else.
const MOST_STREAMS: usize = 4_096;

/// Room that is held, until it is dropped.
#[must_use]
pub(crate) struct Held(#[expect(dead_code, reason = "holding it is all it is for")] OwnedSemaphorePermit);

/// Room for requests and for what they carry.
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    units: Arc<Semaphore>,
    most_units: usize,
    wait: Duration,
}

impl Admission {
    pub(crate) fn new(most_requests: usize, most_bytes: usize) -> Self {
        let most_units = most_bytes.div_ceil(UNIT).max(1);
        let (requests, units) = (Arc::new(Semaphore::new(most_requests)), Arc::new(Semaphore::new(most_units)));
        Self { requests, streams: Arc::new(Semaphore::new(MOST_STREAMS)), units, most_units, wait: WAIT }
    }

    /// Room for one more request.
    pub(crate) async fn request(&self) -> Result<Held, Denial> {
        self.room(&self.requests, 1, "requests").await
    }

    /// Room for one more stream, which may be open for long and idle: it takes no request's room.
    pub(crate) async fn stream(&self) -> Result<Held, Denial> {
        self.room(&self.streams, 1, "streams").await
    }

    /// Room for so many bytes.
    pub(crate) async fn bytes(&self, bytes: usize) -> Result<Held, Denial> {
        self.room(&self.units, self.units_of(bytes), "bytes").await
    }

    /// Room for so many bytes, if there is some right now.
    pub(crate) fn bytes_now(&self, bytes: usize) -> Option<Held> {
        Arc::clone(&self.units).try_acquire_many_owned(self.units_of(bytes)).ok().map(Held)
    }

    /// What is larger than all room there is gets all of it.
    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.most_units)).unwrap_or(u32::MAX)
    }

    async fn room(&self, semaphore: &Arc<Semaphore>, units: u32, what: &'static str) -> Result<Held, Denial> {
        match timeout(self.wait, Arc::clone(semaphore).acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(Held(permit)),
            _ => Err(Denial::Busy(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_and_is_then_told_to_come_again() {
        let admission = Admission::new(1, 10 * UNIT);
        let first = admission.request().await.unwrap();
        assert!(matches!(admission.request().await, Err(Denial::Busy("requests"))));
        let _stream = admission.stream().await.unwrap();
        drop(first);
        assert!(admission.request().await.is_ok(), "a stream takes no request's room");

        let small = admission.bytes(1).await.unwrap();
        assert!(admission.bytes_now(10 * UNIT).is_none());
        assert!(matches!(admission.bytes(100 * UNIT).await, Err(Denial::Busy("bytes"))));
        drop(small);
        let all = admission.bytes(100 * UNIT).await.unwrap();
        assert!(admission.bytes_now(0).is_some() && admission.bytes_now(1).is_none());
        drop(all);
    }
}
