//! The steps of a history: facts in their order, and ticks "at 00:00 in the policy's time zone from the first midnight
//! after the first fact, and at `--until` (once if they coincide)".

use tiermesh_domain::time::{Millis, Zone};
use tiermesh_proto::v1::Fact;

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step<'a> {
    /// A fact becomes known.
    Fact(&'a Fact),
    /// Time passes.
    Tick(Millis),
}

/// Facts in total order, none later than `until`, with the ticks among them: "at T, facts with time ≤ T come before
/// the tick".
pub(crate) fn timeline<'a>(facts: &[&'a Fact], zone: &Zone, until: Millis) -> Vec<Step<'a>> {
    let Some(first) = facts.first() else { return Vec::new() };
    let mut steps = Vec::new();
    let mut facts = facts.iter().peekable();
    for tick in ticks(first.time_ms, zone, until) {
        while let Some(fact) = facts.next_if(|fact| fact.time_ms <= tick) {
            steps.push(Step::Fact(fact));
        }
        steps.push(Step::Tick(tick));
    }
    steps
}

fn ticks(first: Millis, zone: &Zone, until: Millis) -> Vec<Millis> {
    let mut ticks = Vec::new();
    let mut midnight = zone.next_midnight(first);
    while midnight < until {
        ticks.push(midnight);
        midnight = zone.next_midnight(midnight);
    }
    ticks.push(until);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, order};

    fn shown(facts: &[&str], zone: &Zone, until: &str) -> Vec<String> {
        let facts: Vec<Fact> = facts.iter().map(|time| order(time, "a", time, "o", "1.00")).collect();
        let facts: Vec<&Fact> = facts.iter().collect();
        let text = |step: &Step<'_>| match step {
            Step::Fact(fact) => format!("fact {}", fact.id),
            Step::Tick(tick) => format!("tick {}", tiermesh_domain::time::format_instant(*tick)),
        };
        timeline(&facts, zone, at(until)).iter().map(text).collect()
    }

    #[test]
    fn ticks_at_midnight_and_at_the_end() {
        assert_eq!(
            shown(&["2010-01-01T10:00:00Z", "2010-01-02T00:00:00Z"], &Zone::utc(), "2010-01-03T12:00:00Z"),
            [
                "fact 2010-01-01T10:00:00Z",
                "fact 2010-01-02T00:00:00Z",
                "tick 2010-01-02T00:00:00Z",
                "tick 2010-01-03T00:00:00Z",
                "tick 2010-01-03T12:00:00Z",
            ]
        );
    }

    #[test]
    fn a_tick_that_is_the_end_comes_once() {
        assert_eq!(
            shown(&["2010-01-01T00:00:00Z"], &Zone::utc(), "2010-01-02T00:00:00Z"),
            ["fact 2010-01-01T00:00:00Z", "tick 2010-01-02T00:00:00Z"],
            "and a first fact at midnight has its first tick a day later"
        );
        assert_eq!(
            shown(&["2010-01-01T00:00:00Z"], &Zone::utc(), "2010-01-01T00:00:00Z"),
            ["fact 2010-01-01T00:00:00Z", "tick 2010-01-01T00:00:00Z"]
        );
    }

    #[test]
    fn midnight_is_the_zone_s() {
        let london = Zone::named("Europe/London").unwrap();
        assert_eq!(
            shown(&["2010-07-01T10:00:00Z"], &london, "2010-07-02T00:00:00Z"),
            ["fact 2010-07-01T10:00:00Z", "tick 2010-07-01T23:00:00Z", "tick 2010-07-02T00:00:00Z"]
        );
    }
}
