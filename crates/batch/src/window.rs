//! Windows of time: "A window of d days at the tick T is the half-open (T − d × 86,400 s, T]. Between ticks it is
//! (T − d, ∞) with T the last tick (none: all facts)."
//!
//! Whatever is known counts at once, so the upper end is open at a tick too.

use tiermesh_domain::time::{DAY_MS, Millis};

/// So many days of 86,400 s.
pub(crate) fn days(count: u32) -> Millis {
    i64::from(count) * DAY_MS
}

/// Is the instant in the window of so many days, given the last tick?
pub(crate) fn within(at: Millis, tick: Option<Millis>, window_days: u32) -> bool {
    tick.is_none_or(|tick| at > tick - days(window_days))
}

/// Is the instant in the half-open (`after`, `to`]?
pub(crate) fn between(at: Millis, after: Millis, to: Millis) -> bool {
    at > after && at <= to
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn windows_are_half_open() {
        let tick = at("2010-12-01T00:00:00Z");
        let year_before = at("2009-12-01T00:00:00Z");
        assert!(!within(year_before, Some(tick), 365), "exactly T − d has left");
        assert!(within(year_before + 1, Some(tick), 365), "a millisecond later is still in");
        assert!(within(tick, Some(tick), 365), "T itself is in");
        assert!(within(tick + 1, Some(tick), 365), "a new fact counts at once");
        assert!(within(i64::MIN, None, 1), "no tick yet: all facts");
    }

    #[test]
    fn a_day_has_86_400_seconds() {
        assert_eq!(days(2), 172_800_000);
        assert!(!between(5, 5, 7) && between(6, 5, 7) && between(7, 5, 7) && !between(8, 5, 7));
    }
}
