//! Ctrl-C while history is sent: the session is ended in good order, so that the next one need not wait for it.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Watches for Ctrl-C until it is dropped.
pub(super) struct Interrupt {
    asked: CancellationToken,
    watching: JoinHandle<()>,
}

impl Interrupt {
    pub(super) fn watch() -> Self {
        let asked = CancellationToken::new();
        let told = asked.clone();
        let watching = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                eprintln!("Ending the session; a second Ctrl-C stops at once.");
                told.cancel();
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
        Self { asked, watching }
    }

    /// Whether somebody wants it to end.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.watching.abort();
    }
}
