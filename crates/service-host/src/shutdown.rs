//! The graceful stop: soft stop → drain → deadline or second signal → hard stop.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long draining may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// How the parts of a process learn that it stops. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Stops only when [`Shutdown::stop`] is called.
    pub fn manual() -> Self {
        Self::default()
    }

    /// Stops softly at SIGINT or SIGTERM, and hard at the second of them or 20 s later.
    ///
    /// # Errors
    /// Signals can't be received.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::default();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::spawn(shutdown.clone().watch(interrupt, terminate));
        Ok(shutdown)
    }

    /// Asks for a soft stop: take nothing new, finish what runs.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Fires at the soft stop.
    pub fn soft(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Waits for the soft stop.
    pub async fn stopped(&self) {
        self.soft.cancelled().await;
    }

    /// Waits for the hard stop.
    pub async fn hard_stopped(&self) {
        self.hard.cancelled().await;
    }

    /// Drains: waits for the work to end, or for the hard stop. True if it ended.
    pub async fn drain(&self, work: impl Future) -> bool {
        let deadline = async {
            self.soft.cancelled().await;
            tokio::time::sleep(DRAIN_LIMIT).await;
        };
        tokio::select! {
            _ = work => true,
            () = self.hard.cancelled() => false,
            () = deadline => {
                self.hard.cancel();
                false
            }
        }
    }

    async fn watch(self, mut interrupt: Signal, mut terminate: Signal) {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            }
        };
        tokio::select! {
            name = next() => tracing::info!("{name}: stopping; a second signal stops at once"),
            () = self.soft.cancelled() => {}
        }
        self.soft.cancel();
        tokio::select! {
            name = next() => tracing::warn!("{name}: stopping at once"),
            () = tokio::time::sleep(DRAIN_LIMIT) => tracing::warn!("not drained in {DRAIN_LIMIT:?}: stopping at once"),
        }
        self.hard.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_ends_with_the_work_or_the_deadline() {
        let shutdown = Shutdown::manual();
        assert!(shutdown.drain(std::future::ready(())).await);
        shutdown.stop();
        assert!(!shutdown.drain(std::future::pending::<()>()).await);
        shutdown.hard_stopped().await;
    }
}
