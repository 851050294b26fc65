//! What a piece of work costs: the time of a processor that it takes, however many others wait for one meanwhile.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Does the work, all of it on this thread; what it cost.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = used();
    let outcome = work();
    (outcome, used().saturating_sub(before))
}

/// What this thread has used so far.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_costs_nothing() {
        let waiting = Duration::from_millis(200);
        let (_kept, never) = std::sync::mpsc::channel::<()>();
        let (waited, cost) = measured(|| never.recv_timeout(waiting));
        assert!(waited.is_err() && cost < waiting, "{cost:?}");
        let (sum, cost) = measured(|| (0..3_000_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number)));
        assert!(cost > Duration::ZERO, "{cost:?} for {sum}");
    }
}
