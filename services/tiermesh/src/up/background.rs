//! Where the read model is built: on threads that give way to those that answer, fold and tell.
//!
//! In one process everything has the same processors. What is only shown may come a little later; a tier may not.

use std::io;

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// A runtime whose threads, and those that they start, come last.
pub(super) struct Background(Option<Runtime>);

impl Background {
    /// Starts it.
    pub(super) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("background").on_thread_start(give_way).enable_all();
        Ok(Self(Some(builder.build()?)))
    }

    /// Does the work there, with all that it spawns.
    pub(super) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        match &self.0 {
            Some(runtime) => runtime.spawn(work),
            // It is gone only once it is being dropped.
            None => tokio::spawn(work),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Whoever drops it may be a task of another runtime, which must not wait for this one's threads.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// How much a thread gives way: of a processor that others want too it gets about a tenth.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// A priority is a thread's own there, and of those that it starts. Where it may not be changed, it comes with the others.
#[cfg(target_os = "linux")]
fn give_way() {
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// A priority is the whole process's elsewhere.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test's error report is its panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_threads_and_those_they_start_come_last() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let background = Background::start().unwrap();
        let (own, started) =
            background.spawn(async move { (niceness(), std::thread::spawn(niceness).join().unwrap()) }).await.unwrap();
        assert!(own > niceness() && started == own, "{own} and {started}, not {}", niceness());
    }
}
