//! The stage of a relationship, from the customer's own pace of ordering.

use std::cmp::Ordering;

use crate::{
    exact::Fraction,
    policy::LifecycleRules,
    time::{Day, Millis, Zone},
};

/// A customer's counting orders in time: all that pace is made of. Derived from the ledger, never saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    times: Vec<Millis>,
    order_days: i64,
}

/// Where a relationship stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Ordering at its own pace.
    Active,
    /// First order not long ago.
    New,
    /// Silent for longer than its pace explains.
    Dormant,
    /// Silent for so long that nothing is to be expected.
    Lost,
    /// Never ordered.
    Potential,
}

impl Pace {
    /// A counting order appeared.
    pub fn insert(&mut self, time: Millis, zone: &Zone) {
        let at = self.times.partition_point(|known| *known <= time);
        self.order_days += i64::from(!self.shares_day(at, time, zone));
        self.times.insert(at, time);
    }

    /// A counting order is none any more.
    pub fn remove(&mut self, time: Millis, zone: &Zone) {
        if let Ok(at) = self.times.binary_search(&time) {
            self.times.remove(at);
            self.order_days -= i64::from(!self.shares_day(at, time, zone));
        }
    }

    /// Whether a neighbour of place `at` lies on the day of `time`.
    fn shares_day(&self, at: usize, time: Millis, zone: &Zone) -> bool {
        let day = zone.day_of(time);
        let same = |known: Option<&Millis>| known.is_some_and(|known| zone.day_of(*known) == day);
        same(at.checked_sub(1).and_then(|before| self.times.get(before))) || same(self.times.get(at))
    }

    /// The first counting order.
    pub fn first(&self) -> Option<Millis> {
        self.times.first().copied()
    }

    /// The last counting order.
    pub fn last(&self) -> Option<Millis> {
        self.times.last().copied()
    }

    /// On how many calendar days there was one.
    pub fn order_days(&self) -> i64 {
        self.order_days
    }

    /// Counting orders after `start`, up to and including `end`.
    pub fn between(&self, start: Millis, end: Millis) -> i64 {
        let upto = |time: Millis| self.times.partition_point(|known| *known <= time);
        upto(end).saturating_sub(upto(start)) as i64
    }

    /// Counting orders after `start`.
    pub fn after(&self, start: Millis) -> i64 {
        self.between(start, Millis::MAX)
    }

    /// The first counting order after `start`.
    pub fn first_after(&self, start: Millis) -> Option<Millis> {
        self.times.get(self.times.partition_point(|known| *known <= start)).copied()
    }

    /// Calendar days since the last counting order, on the day of `now` (before any tick: 0); `None` without one.
    pub fn silence(&self, now: Option<Millis>, zone: &Zone) -> Option<i64> {
        self.last().map(|last| days_since(last, now, zone))
    }

    /// L: how long a silence this customer's pace explains, in days.
    pub fn patience(&self, rules: &LifecycleRules, zone: &Zone) -> Fraction {
        let (Some(first), Some(last)) = (self.first(), self.last()) else {
            return whole(rules.default_days);
        };
        if self.order_days < rules.few_order_days {
            return whole(rules.default_days);
        }
        let span = i64::from(zone.day_of(last) - zone.day_of(first));
        let mean = Fraction::new(i128::from(rules.factor * span), i128::from(self.order_days - 1));
        mean.clamp(whole(rules.least_days), whole(rules.most_days.max(rules.least_days)))
    }

    /// After more than so many days of silence the customer is lost.
    fn limit(&self, patience: Fraction, rules: &LifecycleRules) -> Fraction {
        patience.times(whole(rules.lost_factor)).max(whole(rules.lost_days))
    }

    /// The stage at `now`.
    pub fn stage(&self, now: Option<Millis>, rules: &LifecycleRules, zone: &Zone) -> Stage {
        let (Some(first), Some(silence)) = (self.first(), self.silence(now, zone)) else {
            return Stage::Potential;
        };
        let patience = self.patience(rules, zone);
        if exceeds(silence, self.limit(patience, rules)) {
            Stage::Lost
        } else if days_since(first, now, zone) <= rules.new_days {
            Stage::New
        } else if exceeds(silence, patience) {
            Stage::Dormant
        } else {
            Stage::Active
        }
    }

    /// The first instant after `now` at which time alone may change the stage, or the silence exceed L.
    pub fn next_change(&self, now: Millis, rules: &LifecycleRules, zone: &Zone) -> Option<Millis> {
        let (first, last) = (zone.day_of(self.first()?), zone.day_of(self.last()?));
        let patience = self.patience(rules, zone);
        let day = |from: Day, days: i128| i32::try_from(i128::from(from) + days + 1).unwrap_or(Day::MAX);
        [
            day(first, i128::from(rules.new_days)),
            day(last, patience.floor()),
            day(last, self.limit(patience, rules).floor()),
        ]
        .into_iter()
        .filter(|day| *day > zone.day_of(now))
        .min()
        .map(|day| zone.start_of(day))
    }
}

fn whole(number: i64) -> Fraction {
    Fraction::new(i128::from(number), 1)
}

fn exceeds(days: i64, limit: Fraction) -> bool {
    whole(days).cmp(&limit) == Ordering::Greater
}

fn days_since(then: Millis, now: Option<Millis>, zone: &Zone) -> i64 {
    now.map_or(0, |now| i64::from(zone.day_of(now) - zone.day_of(then)).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY_MS;

    fn pace(days: &[i64]) -> Pace {
        let mut pace = Pace::default();
        for day in days {
            pace.insert(day * DAY_MS + 1, &Zone::utc());
        }
        pace
    }

    fn stage(days: &[i64], now: i64) -> Stage {
        pace(days).stage(Some(now * DAY_MS), &LifecycleRules::default(), &Zone::utc())
    }

    #[test]
    fn stages_follow_the_customers_pace() {
        assert_eq!(stage(&[], 10), Stage::Potential);
        assert_eq!(stage(&[0], 90), Stage::New);
        assert_eq!(stage(&[0], 91), Stage::Dormant); // one order day: L is 90
        assert_eq!(stage(&[0], 365), Stage::Dormant);
        assert_eq!(stage(&[0], 366), Stage::Lost);
        // Four order days 40 days apart: L = 3 × 120 ÷ 3 = 120.
        assert_eq!(stage(&[0, 40, 80, 120], 240), Stage::Active);
        assert_eq!(stage(&[0, 40, 80, 120], 241), Stage::Dormant);
        // Daily: L is not less than 30.
        assert_eq!(stage(&[0, 30, 60, 61, 62, 63, 64, 65, 66, 100], 131), Stage::Active); // L = 33.3
        assert_eq!(stage(&[0, 30, 60, 61, 62, 63, 64, 65, 66, 100], 134), Stage::Dormant);
    }

    #[test]
    fn order_days_are_counted_once() {
        let zone = Zone::utc();
        let mut pace = pace(&[1, 1, 2]);
        assert_eq!(pace.order_days(), 2);
        pace.remove(DAY_MS + 1, &zone);
        assert_eq!(pace.order_days(), 2);
        pace.remove(DAY_MS + 1, &zone);
        assert_eq!(pace.order_days(), 1);
        pace.remove(5, &zone);
        assert_eq!((pace.order_days(), pace.after(0)), (1, 1));
    }

    #[test]
    fn next_change_is_the_day_the_stage_changes() {
        let (rules, zone) = (LifecycleRules::default(), Zone::utc());
        for days in [vec![0], vec![0, 40, 80, 120], vec![3, 5, 9, 12, 300]] {
            let pace = pace(&days);
            let mut now = days[days.len() - 1] * DAY_MS;
            let mut announced = pace.next_change(now, &rules, &zone);
            for _ in 0..1_200 {
                let before = pace.stage(Some(now), &rules, &zone);
                now += DAY_MS;
                if pace.stage(Some(now), &rules, &zone) != before {
                    assert_eq!(announced, Some(now), "{days:?}");
                }
                if announced.is_some_and(|at| at <= now) {
                    announced = pace.next_change(now, &rules, &zone);
                }
            }
        }
    }
}
