//! When a partition's next save is due, in one place. Pure.
//!
//! A save keeps down what is folded again after a crash, and costs time in which nothing is folded. So it follows about a
//! second after the first record that isn't saved; where records come so fast that packing takes long, as seldom as keeps
//! packing to a small part of the work, but not less often than every half a minute, nor than every so many records.

use std::time::Duration;

/// How long state stays unsaved at least, and at most unless writing takes longer.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Between two saves passes so many times what the last one cost: while the partition is behind, and once it has caught up.
/// Partitions share processors: with four to each, as eight on two, packing takes a thirty-second of them, or less, while they
/// are behind; what the database does with a save comes to that. Who has caught up has processors to spare, and a crash is to
/// be over soon.
const TIMES_ITS_COST: (u32, u32) = (128, 16);
/// How many records may be folded beyond the last save before reading pauses: what is folded again after a crash, and
/// what a database that is away lets pile up at the consumers as repeats.
pub(crate) const MOST_UNSAVED: u64 = 500_000;

/// How long after the first unsaved record the next save is due, when packing and compressing the last one took `cost` of
/// a processor, and the partition is behind the end of its log or not.
pub(crate) fn interval(cost: Duration, is_behind: bool) -> Duration {
    let times = if is_behind { TIMES_ITS_COST.0 } else { TIMES_ITS_COST.1 };
    (cost * times).clamp(INTERVAL.0, INTERVAL.1)
}

/// Whether so many records are enough for a save before its time: while it is being written as many more may follow.
pub(crate) fn is_enough(unpacked: u64) -> bool {
    unpacked >= MOST_UNSAVED / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_partition_is_saved_within_a_second_and_a_busy_one_spends_little_on_it() {
        let after = |cost_ms, is_behind| interval(Duration::from_millis(cost_ms), is_behind).as_millis();
        assert_eq!([0, 1, 7].map(|cost| after(cost, true)), [1_000, 1_000, 1_000]);
        assert_eq!([50, 200].map(|cost| after(cost, true)), [6_400, 25_600]);
        assert_eq!([250, 60_000].map(|cost| after(cost, true)), [30_000, 30_000]);
        assert_eq!([50, 200, 2_000].map(|cost| after(cost, false)), [1_000, 3_200, 30_000]);
    }

    #[test]
    fn a_save_that_is_written_while_as_many_follow_never_holds_up_reading() {
        assert!(!is_enough(MOST_UNSAVED / 2 - 1) && is_enough(MOST_UNSAVED / 2));
    }
}
