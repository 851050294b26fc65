//! Lifecycle: "the first that holds: potential (no counting order ever), lost (silence > max(365 d, 2 L)), new (first
//! order ≤ 90 d ago), dormant (silence > L), active. Days are calendar days".

use std::collections::BTreeSet;

use tiermesh_domain::{
    exact::Fraction,
    policy::{CountsWhen, LifecycleRules},
    time::{Day, Millis, Zone},
};

use crate::book::Book;

/// How a customer orders. Days are calendar days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Days with a counting order.
    pub(crate) order_days: i64,
    /// From the first of them to the last.
    pub(crate) span: i64,
    /// From the last of them to the day of the last tick.
    pub(crate) silence: i64,
    /// From the first of them to the day of the last tick.
    pub(crate) age: i64,
}

/// Where the relationship stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No counting order ever.
    Potential,
    /// Silent for much longer than usual.
    Lost,
    /// Ordered first not long ago.
    New,
    /// Silent for longer than usual.
    Dormant,
    /// All others.
    Active,
}

impl Stage {
    /// Its tier's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Potential => "potential",
            Self::Lost => "lost",
            Self::New => "new",
            Self::Dormant => "dormant",
            Self::Active => "active",
        }
    }
}

/// The customer's pace over all facts; `None`: there is no counting order.
pub(crate) fn pace(book: &Book<'_>, counts_when: CountsWhen, zone: &Zone, tick: Option<Millis>) -> Option<Pace> {
    let counting = book.orders.iter().filter(|order| order.is_counting(counts_when));
    let days: BTreeSet<Day> = counting.map(|order| zone.day_of(order.placed_at)).collect();
    let (first, last) = (i64::from(*days.first()?), i64::from(*days.last()?));
    // Before any tick no time has passed.
    let since = |day: i64| tick.map_or(0, |tick| (i64::from(zone.day_of(tick)) - day).max(0));
    Some(Pace { order_days: days.len() as i64, span: last - first, silence: since(last), age: since(first) })
}

/// "L = 3 × (last − first order day) ÷ (order days − 1), within 30…365 d; 90 d with fewer than 4 order days."
pub(crate) fn patience(pace: &Pace, rules: &LifecycleRules) -> Fraction {
    let whole = |days: i64| Fraction::new(days.into(), 1);
    if pace.order_days < rules.few_order_days {
        return whole(rules.default_days);
    }
    let paced = Fraction::new(i128::from(rules.factor) * i128::from(pace.span), i128::from(pace.order_days) - 1);
    paced.max(whole(rules.least_days)).min(whole(rules.most_days))
}

/// The stage of a customer with that pace.
pub(crate) fn stage(pace: Option<&Pace>, rules: &LifecycleRules) -> Stage {
    let Some(pace) = pace else { return Stage::Potential };
    let patience = patience(pace, rules);
    let silence = Fraction::new(pace.silence.into(), 1);
    let lost_after =
        Fraction::new(rules.lost_days.into(), 1).max(patience.times(Fraction::new(rules.lost_factor.into(), 1)));
    if silence > lost_after {
        Stage::Lost
    } else if pace.age <= rules.new_days {
        Stage::New
    } else if silence > patience {
        Stage::Dormant
    } else {
        Stage::Active
    }
}

#[cfg(test)]
mod tests {
    use tiermesh_proto::v1::Fact;

    use super::*;
    use crate::testing::{at, book, orders_at};

    fn pace_of(facts: &[Fact], zone: &Zone, tick: Option<&str>) -> Option<Pace> {
        pace(&book(facts), CountsWhen::Placed, zone, tick.map(at))
    }

    fn paced(order_days: i64, span: i64, silence: i64) -> Pace {
        Pace { order_days, span, silence, age: silence + span }
    }

    fn rules() -> LifecycleRules {
        LifecycleRules::default()
    }

    fn patience_of(order_days: i64, span: i64) -> Fraction {
        patience(&paced(order_days, span, 0), &rules())
    }

    #[test]
    fn days_are_calendar_days() {
        let facts = orders_at(&["2010-01-01T23:59:00Z", "2010-01-02T00:01:00Z", "2010-01-02T08:00:00Z"]);
        assert_eq!(
            pace_of(&facts, &Zone::utc(), Some("2010-01-05T00:00:00Z")),
            Some(Pace { order_days: 2, span: 1, silence: 3, age: 4 })
        );
        let new_york = Zone::named("America/New_York").unwrap();
        // There all but the last are still on the first, and the tick is on the fourth.
        assert_eq!(
            pace_of(&facts, &new_york, Some("2010-01-05T00:00:00Z")),
            Some(Pace { order_days: 2, span: 1, silence: 2, age: 3 })
        );
    }

    #[test]
    fn no_time_has_passed_before_a_tick_or_an_order() {
        let facts = orders_at(&["2010-01-01T12:00:00Z", "2010-01-09T12:00:00Z"]);
        let still = Some(Pace { order_days: 2, span: 8, silence: 0, age: 0 });
        assert_eq!(pace_of(&facts, &Zone::utc(), None), still);
        assert_eq!(pace_of(&facts, &Zone::utc(), Some("2010-01-01T00:00:00Z")), still);
        assert_eq!(pace_of(&[], &Zone::utc(), None), None);
    }

    #[test]
    fn patience_is_within_its_clamps() {
        assert_eq!(patience_of(3, 10), Fraction::new(90, 1), "fewer than 4 order days");
        assert_eq!(patience_of(4, 40), Fraction::new(40, 1), "3 × 40 ÷ 3");
        assert_eq!(patience_of(5, 50), Fraction::new(75, 2), "3 × 50 ÷ 4 = 37.5 is exact");
        assert_eq!(patience_of(4, 30), Fraction::new(30, 1));
        assert_eq!(patience_of(4, 29), Fraction::new(30, 1), "not less than 30");
        assert_eq!(patience_of(4, 365), Fraction::new(365, 1));
        assert_eq!(patience_of(4, 366), Fraction::new(365, 1), "not more than 365");
    }

    #[test]
    fn the_first_stage_that_holds() {
        let stage_of = |pace: Pace| stage(Some(&pace), &rules()).name();
        assert_eq!(stage(None, &rules()), Stage::Potential);
        // L = 75/2 = 37.5
        assert_eq!(stage_of(paced(5, 50, 37)), "new", "first order 87 days ago");
        assert_eq!(stage_of(paced(5, 50, 40)), "new", "first order 90 days ago, though silent for longer than L");
        assert_eq!(stage_of(paced(5, 50, 41)), "dormant", "91 days ago");
        assert_eq!(stage_of(paced(5, 100, 75)), "active", "silence = L isn't longer");
        assert_eq!(stage_of(paced(5, 100, 76)), "dormant");
        assert_eq!(stage_of(paced(5, 50, 365)), "dormant", "silence = 365 isn't lost");
        assert_eq!(stage_of(paced(5, 50, 366)), "lost");
        // L = 3 × 800 ÷ 10 = 240: lost only after 480.
        assert_eq!(stage_of(paced(11, 800, 480)), "dormant");
        assert_eq!(stage_of(paced(11, 800, 481)), "lost");
        assert_eq!(stage_of(paced(1, 0, 90)), "new");
        assert_eq!(stage_of(paced(1, 0, 91)), "dormant");
    }
}
