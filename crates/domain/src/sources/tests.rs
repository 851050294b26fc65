//! The rhythm of sources, boundary by boundary.

use super::*;

const MINUTE_MS: Millis = 60_000;

/// A mesh that is told, minute by minute, who sent.
struct Told {
    sources: Sources,
    now: Millis,
}

impl Told {
    /// Live since 0, and not after a history.
    fn new() -> Self {
        Self { sources: Sources::default(), now: 0 }
    }

    fn boundary(&mut self, names: &[&str]) -> Vec<Control> {
        let sources = names.iter().map(|name| (*name).to_owned()).collect();
        self.sources.complete(self.now, &Heard { sources, live: true, full: false })
    }

    /// Minutes in which these send and nobody else; what was said, with the minute it was said at.
    fn minutes(&mut self, minutes: i64, names: &[&str]) -> Vec<(i64, Control)> {
        let mut said = Vec::new();
        for minute in 1..=minutes {
            self.now += MINUTE_MS;
            said.extend(self.boundary(names).into_iter().map(|control| (minute, control)));
        }
        said
    }

    /// So many days in which the shop sends every third hour, beside the erp.
    fn days_of_rhythm(&mut self, days: i64) {
        for _ in 0..days * 8 {
            self.now += MINUTE_MS;
            assert_eq!(self.boundary(&["shop", "erp"]), []);
            assert_eq!(self.minutes(179, &["erp"]), []);
        }
        self.now += MINUTE_MS;
        assert_eq!(self.boundary(&["shop", "erp"]), []);
    }
}

const THREE_HOURS: Millis = 180 * MINUTE_MS;

fn quiet(as_of_ms: Millis, last_seen_ms: Millis, longest_pause_ms: Millis) -> Control {
    Control::SourceQuiet(SourceQuiet { source: "shop".to_owned(), as_of_ms, last_seen_ms, longest_pause_ms })
}

fn back(as_of_ms: Millis, quiet_since_ms: Millis, given_up: bool) -> Control {
    Control::SourceBack(SourceBack { source: "shop".to_owned(), as_of_ms, quiet_since_ms, given_up })
}

#[test]
fn a_source_is_quiet_beyond_its_longest_pause_and_half_of_it_and_back_an_hour_after_it_sends() {
    let mut told = Told::new();
    told.days_of_rhythm(15);
    let last = told.now;
    let found = last + THREE_HOURS * 3 / 2 + MINUTE_MS;
    assert_eq!(told.minutes(1_000, &["erp"]), [(271, quiet(found, last, THREE_HOURS))], "told once");
    told.now += MINUTE_MS;
    assert_eq!(told.boundary(&["shop", "erp"]), []);
    let returned = told.now;
    assert_eq!(told.minutes(100, &["shop", "erp"]), [(60, back(returned + 60 * MINUTE_MS, last, false))]);
}

#[test]
fn an_outage_is_no_rhythm_until_it_keeps_coming() {
    let mut told = Told::new();
    told.days_of_rhythm(15);
    // The first two leave the limit where it was, at 4.5 hours.
    for outage in 0..2 {
        assert_eq!(told.minutes(3_000, &["erp"]).first().map(|(minute, _)| *minute), Some(271), "outage {outage}");
        told.minutes(61, &["shop", "erp"]);
    }
    // The third is found at the limit too; from then on such pauses are its rhythm.
    assert_eq!(told.minutes(3_000, &["erp"]).len(), 1);
    told.minutes(61, &["shop", "erp"]);
    assert_eq!(told.minutes(4_500, &["erp"]), []);
    assert_eq!(told.minutes(10, &["erp"]).len(), 1, "3001 minutes and half of them");
}

#[test]
fn who_rarely_sends_is_not_watched() {
    let mut told = Told::new();
    // Twenty boundaries, but within thirteen days; then nineteen in all.
    for _ in 0..13 * 8 {
        told.now += MINUTE_MS;
        told.boundary(&["shop"]);
        told.minutes(179, &["erp"]);
    }
    assert_eq!(told.minutes(3_000, &["erp"]), []);
    let mut told = Told::new();
    for _ in 0..19 {
        told.now += MINUTE_MS;
        told.boundary(&["shop"]);
        told.minutes(1_439, &["erp"]);
    }
    assert_eq!(told.minutes(4_500, &["erp"]), []);
}

#[test]
fn history_teaches_the_rhythm_and_judges_nobody() {
    let mut sources = Sources::default();
    let heard = |names: &[&str], live| Heard {
        sources: names.iter().map(|name| (*name).to_owned()).collect(),
        live,
        full: false,
    };
    for day in 0..40 {
        // Weekdays; and the old shop until day 20.
        let mut names = if day % 7 < 5 { vec!["shop"] } else { vec![] };
        names.extend((day < 20).then_some("old-shop"));
        assert_eq!(sources.complete(day * DAY_MS, &heard(&names, false)), []);
    }
    assert_eq!(sources.rhythms["shop"].longest_pause(40 * DAY_MS), 3 * DAY_MS);
    // Live a month later. The old shop had ended before; the shop has its four and a half days from then on.
    let live = 70 * DAY_MS;
    assert_eq!(sources.complete(live, &heard(&["shop"], true)), []);
    let mut said = Vec::new();
    for minute in 1..=10_000 {
        said.extend(sources.complete(live + minute * MINUTE_MS, &heard(&["other"], true)));
    }
    assert_eq!(said, [quiet(live + 9 * DAY_MS / 2 + MINUTE_MS, live, 3 * DAY_MS)]);
}

#[test]
fn time_that_stood_still_is_nobodys_pause() {
    let mut told = Told::new();
    told.days_of_rhythm(15);
    let last = told.now;
    told.now += 3 * DAY_MS;
    assert_eq!(told.boundary(&[]), [], "the mesh was away, not the source");
    let since = told.now;
    assert_eq!(told.minutes(361, &["erp"]), [(271, quiet(since + 271 * MINUTE_MS, last, THREE_HOURS))]);
}

#[test]
fn a_summary_that_could_not_name_all_judges_nobody() {
    let mut told = Told::new();
    told.days_of_rhythm(15);
    told.minutes(270, &["erp"]);
    told.now += MINUTE_MS;
    let full = Heard { live: true, full: true, ..Heard::default() };
    assert_eq!(told.sources.complete(told.now, &full), []);
    assert_eq!(told.minutes(1, &["erp"]).len(), 1);
}

#[test]
fn who_never_comes_back_is_given_up() {
    let mut told = Told::new();
    told.days_of_rhythm(15);
    let last = told.now;
    let said = told.minutes(100 * 1_440, &["erp"]);
    let found = last + 271 * MINUTE_MS;
    let given_up = found + LEAST_WAIT_MS + MINUTE_MS;
    let said: Vec<Control> = said.into_iter().map(|(_, control)| control).collect();
    assert_eq!(said, [quiet(found, last, THREE_HOURS), back(given_up, last, true)]);
}

#[test]
fn sources_beyond_the_most_are_not_watched() {
    let mut sources = Sources::default();
    let names = |count: usize| (0..count).map(|number| format!("source-{number:05}")).collect();
    let heard = Heard { sources: names(MOST_SOURCES + 5), live: true, full: true };
    assert_eq!(sources.complete(0, &heard), []);
    assert_eq!(sources.rhythms.len(), MOST_SOURCES);
}
