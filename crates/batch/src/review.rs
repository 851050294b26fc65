//! Reviews: "at the end of each `day`, `month`, `quarter`, `half-year`, `year`", in the policy's time zone.

use tiermesh_domain::{
    policy::{Moment, Policy, Review},
    time::Millis,
};

/// Whether a tick is a review: its calendar period isn't that of the tick before; the first tick's, that of the
/// millisecond before.
pub(crate) fn is_review(policy: &Policy, previous: Option<Millis>, tick: Millis) -> bool {
    let period = |at: Millis| {
        let (year, month) = (policy.zone.month_of(at).div_euclid(12), policy.zone.month_of(at).rem_euclid(12));
        match policy.qualification.review {
            Review::Continuous => (0, 0),
            Review::Day => (0, policy.zone.day_of(at)),
            Review::Month => (year, month),
            Review::Quarter => (year, month / 3),
            Review::HalfYear => (year, month / 6),
            Review::Year => (year, 0),
        }
    };
    period(previous.unwrap_or(tick - 1)) != period(tick)
}

/// Whether a change from one tier to another may be made now. The first tier, and one instead of a tier that the policy
/// hasn't, waits for nothing.
pub(crate) fn may_change(policy: &Policy, from: Option<&str>, to: &str, at_review: bool) -> bool {
    let place = |name: &str| policy.tiers.iter().position(|tier| tier.name == name);
    let (Some(from), Some(to)) = (from.and_then(place), place(to)) else { return true };
    let better = to < from;
    let moment = if better { policy.qualification.upgrade } else { policy.qualification.downgrade };
    at_review || moment == Moment::Immediately
}

/// Whether a customer may hold a tier while its values give another: because the change to that waits for a review.
pub fn waits_for_review(policy: &Policy, held: &str, reached: &str) -> bool {
    held != reached && !may_change(policy, Some(held), reached, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, policy};

    fn reviewed(lines: &str) -> Policy {
        policy(&format!(
            "{lines}\n[relative]\nmetric = \"orders\"\nwindow_days = 30\nby = \"rank\"\n\
             [[tiers]]\nname = \"top\"\nbelow = \"0.5\"\n[[tiers]]\nname = \"base\"\n"
        ))
    }

    #[test]
    fn quarters_end_in_the_zone() {
        let policy = reviewed("review = \"quarter\"\ntime_zone = \"Europe/London\"");
        let midnight = at("2010-06-30T23:00:00Z");
        assert!(is_review(&policy, Some(at("2010-06-29T23:00:00Z")), midnight));
        assert!(!is_review(&policy, Some(midnight), at("2010-07-01T23:00:00Z")));
        assert!(!is_review(&policy, Some(at("2010-05-30T23:00:00Z")), at("2010-05-31T23:00:00Z")));
        assert!(is_review(&policy, None, midnight));
        assert!(!is_review(&policy, None, midnight + 1));
    }

    #[test]
    fn up_at_once_and_down_at_the_review() {
        let policy = reviewed("review = \"quarter\"\nupgrade = \"immediately\"");
        let may = |from, to, at_review| may_change(&policy, from, to, at_review);
        assert!(may(None, "base", false));
        assert!(may(Some("base"), "top", false));
        assert!(!may(Some("top"), "base", false));
        assert!(may(Some("top"), "base", true));
        assert!(waits_for_review(&policy, "top", "base"));
        assert!(!waits_for_review(&policy, "base", "top") && !waits_for_review(&policy, "base", "base"));
        assert!(may(Some("gold"), "base", false), "a tier that is no more");
    }
}
