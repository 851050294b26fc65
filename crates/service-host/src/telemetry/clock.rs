//! The wall clock as metrics and logs need it: they tell when, and nothing is ever decided by it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z, for metrics named `…_timestamp_seconds`.
#[expect(clippy::disallowed_methods, reason = "metrics tell operators when something was; nothing is decided by it")]
pub fn now_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
