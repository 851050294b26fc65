//! Instants, calendar days and time zones. Nothing here asks what time it is.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Milliseconds in a day of exactly 86,400 s; a window of `d` days is `d` of these.
pub const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// A calendar day, counted from 1970-01-01 (= 0).
pub type Day = i32;

/// A calendar month, counted from January of the year 0.
pub type Month = i32;

/// A time zone, in which calendar days begin and end.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    /// `None`: UTC, where a day is a division.
    rules: Option<TimeZone>,
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: None }
    }

    /// The zone of that IANA name (`Europe/London`); `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utc") || name == "Etc/UTC" {
            return Some(Self::utc());
        }
        let rules = jiff::tz::TimeZoneDatabase::bundled().get(name).ok()?;
        Some(Self { name: name.to_owned(), rules: Some(rules) })
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The calendar day of an instant.
    pub fn day_of(&self, instant: Millis) -> Day {
        match &self.rules {
            None => instant.div_euclid(DAY_MS) as Day,
            Some(rules) => day_number(rules.to_datetime(clamp(instant)).date()),
        }
    }

    /// The first instant of a calendar day.
    pub fn start_of(&self, day: Day) -> Millis {
        match &self.rules {
            None => i64::from(day) * DAY_MS,
            Some(rules) => {
                let midnight = date_of(day).at(0, 0, 0, 0);
                rules
                    .to_ambiguous_timestamp(midnight)
                    .compatible()
                    .map_or(i64::from(day) * DAY_MS, |at| at.as_millisecond())
            }
        }
    }

    /// The calendar month of an instant, counted from January of the year 0.
    pub fn month_of(&self, instant: Millis) -> Month {
        let date = date_of(self.day_of(instant));
        i32::from(date.year()) * 12 + i32::from(date.month()) - 1
    }

    /// The first instant of a calendar month.
    pub fn start_of_month(&self, month: Month) -> Millis {
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        let first = i16::try_from(year).ok().and_then(|year| Date::new(year, month as i8, 1).ok());
        first.map_or(Millis::MAX, |first| self.start_of(day_number(first)))
    }

    /// The first start of a day after the instant.
    pub fn next_midnight(&self, instant: Millis) -> Millis {
        self.start_of(self.day_of(instant) + 1)
    }
}

/// Reads an RFC 3339 instant; digits below a millisecond are dropped.
pub fn parse_instant(text: &str) -> Option<Millis> {
    let at: Timestamp = text.parse().ok()?;
    Some(at.as_millisecond())
}

/// Writes an instant as RFC 3339 in UTC, with milliseconds only where it has some.
pub fn format_instant(instant: Millis) -> String {
    let at = clamp(instant);
    let mut text = seconds(at);
    let milliseconds = instant.rem_euclid(1_000) as u32;
    if milliseconds > 0 {
        text.push('.');
        push_digits(&mut text, milliseconds, 3);
    }
    text.push('Z');
    text
}

/// The instant in UTC up to its second. Every record and every explanation has some, so it is written digit by digit.
fn seconds(at: Timestamp) -> String {
    let civil = TimeZone::UTC.to_datetime(at);
    let Ok(year) = u32::try_from(civil.year()) else { return at.strftime("%Y-%m-%dT%H:%M:%S").to_string() };
    let mut text = String::with_capacity("2026-11-22T08:26:00.120Z".len());
    push_digits(&mut text, year, 4);
    let rest =
        [('-', civil.month()), ('-', civil.day()), ('T', civil.hour()), (':', civil.minute()), (':', civil.second())];
    for (before, number) in rest {
        text.push(before);
        push_digits(&mut text, number.unsigned_abs().into(), 2);
    }
    text
}

fn push_digits(text: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        text.push(char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8));
    }
}

/// Reads an ISO 8601 date (`2010-12-01`).
pub fn parse_date(text: &str) -> Option<Day> {
    if text.len() != 10 {
        return None;
    }
    text.parse::<Date>().ok().map(day_number)
}

fn clamp(instant: Millis) -> Timestamp {
    Timestamp::from_millisecond(instant).unwrap_or(if instant < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn day_number(date: Date) -> Day {
    let midnight = date.at(0, 0, 0, 0).to_zoned(TimeZone::UTC);
    midnight.map_or(0, |at| at.timestamp().as_millisecond().div_euclid(DAY_MS) as Day)
}

fn date_of(day: Day) -> Date {
    TimeZone::UTC.to_datetime(clamp(i64::from(day) * DAY_MS)).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_round_trip() {
        for text in ["2010-12-01T08:26:00Z", "1969-12-31T23:59:59.999Z", "2026-11-22T00:00:00.120Z"] {
            assert_eq!(format_instant(parse_instant(text).unwrap()), text);
        }
        assert_eq!(parse_instant("2010-12-01T08:26:00+08:00"), parse_instant("2010-12-01T00:26:00Z"));
        assert_eq!(format_instant(i64::MIN), "-9999-01-02T01:59:59.192Z");
        assert_eq!(format_instant(-62_167_219_200_000), "0000-01-01T00:00:00Z");
        assert_eq!(parse_instant("2010-12-01"), None);
        assert_eq!(parse_instant("yesterday"), None);
    }

    #[test]
    fn days_begin_at_midnight_of_the_zone() {
        let london = Zone::named("Europe/London").unwrap();
        let summer = parse_instant("2010-07-01T23:30:00Z").unwrap();
        assert_eq!(london.day_of(summer), Zone::utc().day_of(summer) + 1);
        assert_eq!(format_instant(london.start_of(london.day_of(summer))), "2010-07-01T23:00:00Z");
        // The day on which clocks go forward has 23 hours.
        let spring = parse_instant("2010-03-28T12:00:00Z").unwrap();
        let day = london.day_of(spring);
        assert_eq!(london.start_of(day + 1) - london.start_of(day), 23 * 3_600_000);
        assert_eq!(Zone::named("Middle/Earth").map(|zone| zone.name().to_owned()), None);
    }

    #[test]
    fn dates_are_iso() {
        assert_eq!(parse_date("1970-01-02"), Some(1));
        assert_eq!(parse_date("2010-02-30"), None);
        assert_eq!(parse_date("20100201"), None);
    }
}
