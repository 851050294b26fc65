//! Work that takes long and touches nothing but memory, off the threads that everything else waits for.

use tiermesh_event_log::LogError;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::RunError;

/// Does the work here, while another thread takes over whatever else this one had to do: folding would keep all of them
/// from the connections that wait for an answer. On a runtime of one thread there is no other.
pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Does the work on a thread where it may take its time. On a runtime of one thread it is done at once, in its place: there
/// whatever happens is to happen in the same order each time.
///
/// # Errors
/// The runtime is being shut down, and the work was cut off.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RunError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    let cut_off = |error| RunError::Log(LogError::Unavailable(format!("work was cut off: {error}")));
    tokio::task::spawn_blocking(work).await.map_err(cut_off)
}
