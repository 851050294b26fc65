//! A producer's end: once a delivery failed, everything pending and everything later fails.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use crate::seam::LogError;

/// Shared by a producer, its pending acknowledgements and whoever delivers for it.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    why: OnceLock<String>,
    token: CancellationToken,
}

impl Poison {
    /// Poisons the producer. The first reason stands.
    pub(crate) fn poison(&self, why: impl Into<String>) {
        // `why` is set before the token fires, so whoever sees the token finds a reason.
        let _ = self.why.set(why.into());
        self.token.cancel();
    }

    /// The failure, if there was one.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        match self.why.get() {
            Some(why) => Err(LogError::DeliveryFailed(why.clone())),
            None => Ok(()),
        }
    }

    /// Waits for the failure.
    pub(crate) async fn poisoned(&self) -> LogError {
        self.token.cancelled().await;
        LogError::DeliveryFailed(self.why.get().cloned().unwrap_or_default())
    }
}
