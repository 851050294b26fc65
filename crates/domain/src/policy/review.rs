//! Qualification: when a tier that the values give becomes the tier held.

use crate::time::{Millis, Zone};

/// When tiers may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qualification {
    /// When changes that wait are decided.
    pub review: Review,
    /// When a better tier is given.
    pub upgrade: Moment,
    /// When a tier is taken away.
    pub downgrade: Moment,
}

impl Qualification {
    /// Every change at once.
    pub const CONTINUOUS: Self =
        Self { review: Review::Continuous, upgrade: Moment::Immediately, downgrade: Moment::Immediately };
}

/// When a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// With the record that leads to it.
    Immediately,
    /// At the next review, to the tier that the values give then.
    AtReview,
}

impl Moment {
    /// All of them, by the name they have in policy files.
    pub const NAMES: [(&'static str, Self); 2] = [("immediately", Self::Immediately), ("at-review", Self::AtReview)];
}

/// When a policy reviews its customers: at the ends of calendar periods in its time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// Always: nothing waits.
    Continuous,
    /// At the end of each day.
    Day,
    /// At the end of each month.
    Month,
    /// At the ends of March, June, September and December.
    Quarter,
    /// At the ends of June and December.
    HalfYear,
    /// At the end of each year.
    Year,
}

impl Review {
    /// All of them, by the name they have in policy files.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("continuous", Self::Continuous),
        ("day", Self::Day),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("half-year", Self::HalfYear),
        ("year", Self::Year),
    ];

    /// The beginning of the period that the instant lies in. `None`: there are no periods.
    pub fn begin(self, instant: Millis, zone: &Zone) -> Option<Millis> {
        self.edge(instant, zone, 0)
    }

    /// The end of the period that the instant lies in: the first instant after it. `None`: there are no periods.
    pub fn next_end(self, instant: Millis, zone: &Zone) -> Option<Millis> {
        self.edge(instant, zone, 1)
    }

    /// The beginning of the period that comes so many after that of the instant.
    fn edge(self, instant: Millis, zone: &Zone, further: i32) -> Option<Millis> {
        let months = match self {
            Self::Continuous => return None,
            Self::Day => return Some(zone.start_of(zone.day_of(instant) + further)),
            Self::Month => 1,
            Self::Quarter => 3,
            Self::HalfYear => 6,
            Self::Year => 12,
        };
        Some(zone.start_of_month((zone.month_of(instant).div_euclid(months) + further) * months))
    }

    /// A period ends after the tick `previous` and not after the tick `now`: since when it lasted. `None`: none ends.
    ///
    /// The first tick of all knows none before it. It is at a review only if a period ends with it to the millisecond:
    /// nothing that was given before it has stood for long.
    pub fn ending(self, previous: Option<Millis>, now: Millis, zone: &Zone) -> Option<Millis> {
        let before = previous.unwrap_or(now - 1);
        self.next_end(before, zone).filter(|end| *end <= now)?;
        self.begin(before, zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{format_instant, parse_instant};

    fn end(review: Review, instant: &str, zone: &Zone) -> Option<String> {
        review.next_end(parse_instant(instant).unwrap(), zone).map(format_instant)
    }

    #[test]
    fn periods_end_where_the_next_begin() {
        let utc = Zone::utc();
        for (review, expected) in [
            (Review::Day, "2010-11-15T00:00:00Z"),
            (Review::Month, "2010-12-01T00:00:00Z"),
            (Review::Quarter, "2011-01-01T00:00:00Z"),
            (Review::HalfYear, "2011-01-01T00:00:00Z"),
            (Review::Year, "2011-01-01T00:00:00Z"),
        ] {
            assert_eq!(end(review, "2010-11-14T09:00:00Z", &utc).as_deref(), Some(expected), "{review:?}");
        }
        assert_eq!(end(Review::Continuous, "2010-11-14T09:00:00Z", &utc), None);
        assert_eq!(end(Review::Quarter, "2010-09-30T23:59:59.999Z", &utc).as_deref(), Some("2010-10-01T00:00:00Z"));
        assert_eq!(end(Review::Quarter, "2010-10-01T00:00:00Z", &utc).as_deref(), Some("2011-01-01T00:00:00Z"));
        assert_eq!(end(Review::HalfYear, "2010-06-30T12:00:00Z", &utc).as_deref(), Some("2010-07-01T00:00:00Z"));
        // Before 1970, and in a zone that is ahead.
        assert_eq!(end(Review::Year, "1969-06-30T12:00:00Z", &utc).as_deref(), Some("1970-01-01T00:00:00Z"));
        let shanghai = Zone::named("Asia/Shanghai").unwrap();
        assert_eq!(end(Review::Month, "2010-10-31T17:00:00Z", &shanghai).as_deref(), Some("2010-11-30T16:00:00Z"));
    }

    #[test]
    fn a_review_is_the_first_tick_at_or_past_the_end() {
        let at = |text: &str| parse_instant(text).unwrap();
        let is_at = |previous, now| Review::Quarter.ending(previous, at(now), &Zone::utc()).is_some();
        let ending = Review::Quarter.ending(Some(at("2010-12-31T23:59:50Z")), at("2011-01-01T00:00:00Z"), &Zone::utc());
        assert_eq!(ending, Some(at("2010-10-01T00:00:00Z")), "it tells since when the period lasted");
        assert!(is_at(Some(at("2010-12-31T23:59:50Z")), "2011-01-01T00:00:07Z"), "ticks that leapt over it");
        assert!(!is_at(Some(at("2011-01-01T00:00:00Z")), "2011-01-01T00:00:10Z"), "only once");
        assert!(is_at(None, "2011-01-01T00:00:00Z"));
        assert!(!is_at(None, "2011-01-01T00:00:01Z"));
    }
}
