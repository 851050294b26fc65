//! Waiting for something to become true.

use std::time::{Duration, Instant};

/// Asks `done` every 20 ms until it says yes.
///
/// # Panics
/// With `what` in the text, if it doesn't within `timeout`.
#[track_caller]
pub fn wait_for(what: &str, timeout: Duration, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < timeout, "waited {timeout:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
