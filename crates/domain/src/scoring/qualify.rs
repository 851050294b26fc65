//! Qualification: what a customer's grade leads to, at once or at the next review.

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1::TierChange;

use super::{ActivePolicy, Scoring, Standing, explain::Cause};
use crate::{fold::Effect, names::NameId, policy::Moment, time::Millis};

/// Why and when a customer is tiered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion<'a> {
    pub(crate) cause: Cause<'a>,
    /// The time of the fact or tick.
    pub(crate) when: Millis,
    /// At a review: since when the period lasted that ends with it.
    pub(crate) review: Option<Millis>,
}

/// A review of a relative policy, which waits for the cut-points of its boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReviewDue {
    pub(crate) boundary: Millis,
    /// Since when the period lasted that ended with it.
    pub(crate) since: Millis,
}

/// What a grade leads to.
enum Outcome {
    /// The tier held is what the values give: nothing waits any more.
    Settled,
    /// Another tier is reached, and waits for the review.
    Waits,
    /// The tier changes to this one; without a word if scoring is silent.
    Changes(NameId, Option<Box<TierChange>>),
}

impl Scoring {
    /// Tiers a customer under every policy in force.
    pub(crate) fn tier_all(&mut self, at: u32, occasion: &Occasion<'_>, effects: &mut Vec<Effect>) {
        (0..self.policies.len()).for_each(|policy| self.tier(at, policy, occasion, effects));
    }

    /// Tiers a customer under one policy, by its number: an effect if that changes the tier held.
    pub(crate) fn tier(&mut self, at: u32, policy: usize, occasion: &Occasion<'_>, effects: &mut Vec<Effect>) {
        let Some(active) = self.policies.get(policy) else { return };
        let name = active.name;
        if let Some(outcome) = self.decide(at, active, occasion) {
            self.carry_out(at, name, outcome, occasion.when, effects);
        }
    }

    /// What the customer's grade leads to; `None`: nothing changes, not even what waits.
    fn decide(&self, at: u32, active: &ActivePolicy, occasion: &Occasion<'_>) -> Option<Outcome> {
        let (subject, customer) = self.customers.get_index(at as usize)?;
        let policy = &*active.policy;
        let sight = self.sight(customer, active);
        let stands = customer.standings.get(active.name);
        let waited = stands.is_some_and(|standing| standing.waits);
        // Most often nothing changes: then no more is made of the grade than the tier.
        let name_of = |tier: usize| active.tiers.get(tier).copied();
        let other = |tier: &usize| stands.map(|standing| standing.tier) != name_of(*tier);
        let Some(tier) = sight.tier().filter(other) else {
            return waited.then_some(Outcome::Settled);
        };
        let from = stands.map(|standing| self.names.text(standing.tier));
        let direction = policy.direction(from, tier);
        let cause = match (policy.moment(direction), occasion.review) {
            (Moment::Immediately, _) => occasion.cause,
            (Moment::AtReview, Some(since)) => Cause::Review { since },
            (Moment::AtReview, None) => return (!waited).then_some(Outcome::Waits),
        };
        let to = name_of(tier)?;
        if self.silent {
            return Some(Outcome::Changes(to, None));
        }
        let mut change = sight.explain(subject, &sight.grade(), &cause, self.previous_time);
        change.direction = direction.to_owned();
        change.from = from.map(str::to_owned);
        change.to = policy.tier_name(tier).to_owned();
        change.at_ms = occasion.when;
        change.logic = self.logic;
        change.history = !self.live;
        Some(Outcome::Changes(to, Some(Box::new(change))))
    }

    fn carry_out(&mut self, at: u32, policy: NameId, outcome: Outcome, when: Millis, effects: &mut Vec<Effect>) {
        let Some((_, customer)) = self.customers.get_index_mut(at as usize) else { return };
        self.sweep.changed(at);
        let waits = matches!(outcome, Outcome::Waits);
        if let Outcome::Changes(tier, change) = outcome {
            customer.standings.insert(policy, Standing { tier, since: when, waits });
            effects.extend(change.map(Effect::TierChanged));
        } else if let Some(standing) = customer.standings.get_mut(policy) {
            standing.waits = waits;
        }
        if waits {
            self.waiting.entry(policy).or_default().insert(at);
        } else if let Some(waiting) = self.waiting.get_mut(&policy) {
            waiting.remove(&at);
        }
    }

    /// Who waits for the review of a policy, by the number of its name.
    pub(crate) fn waiting_for(&self, policy: NameId) -> Vec<u32> {
        self.waiting.get(&policy).into_iter().flatten().copied().collect()
    }

    /// Makes anew, after a load, who waits for which review.
    pub(crate) fn derive_waiting(&mut self) {
        for (at, customer) in (0..).zip(self.customers.values()) {
            for (policy, _) in customer.standings.iter().filter(|(_, standing)| standing.waits) {
                self.waiting.entry(policy).or_default().insert(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tiermesh_proto::v1::{
        Control, ControlCopy, CustomerEvent, Fact, LogicActivated, Order, PolicyActivated, Tick, control,
        customer_event::Event, fact::Data,
    };

    use super::*;
    use crate::{
        explain::ExplainedStanding,
        fold::Fold,
        time::{format_instant, parse_instant},
    };

    const QUARTERLY: &str = "name = \"p\"\nprogramme = \"value\"\nversion = 1\ncurrency = \"GBP\"\nreview = \"quarter\"\n\
        upgrade = \"immediately\"\n[[score.parts]]\nname = \"orders\"\nmetric = \"orders\"\nwindow_days = 60\n\
        weight = 4\nfull_at = 4\n[[tiers]]\nname = \"A\"\nat_least = 2\n[[tiers]]\nname = \"B\"\nat_least = 1\n\
        [[tiers]]\nname = \"C\"\n";

    struct World {
        scoring: Scoring,
        controls: u64,
    }

    impl World {
        fn new() -> Self {
            let mut world = Self { scoring: Scoring::new(1), controls: 0 };
            world.control(control::Control::LogicActivated(LogicActivated { logic: 1 }));
            world.activate(QUARTERLY);
            world
        }

        /// `at direction from to cause events` of each change.
        fn take(&mut self, event: Event) -> Vec<String> {
            let mut effects = Vec::new();
            self.scoring.apply(&CustomerEvent { event: Some(event) }, &mut effects).unwrap();
            let changes = effects.into_iter().filter_map(|effect| match effect {
                Effect::TierChanged(change) => Some(change),
                _ => None,
            });
            let text = |c: Box<TierChange>| {
                let from = c.from.as_deref().unwrap_or("-");
                let (at, events) = (format_instant(c.at_ms), c.events.join(","));
                format!("{} {} {from} {} {} {events}", &at[..10], c.direction, c.to, c.cause).trim().to_owned()
            };
            changes.map(text).collect()
        }

        fn control(&mut self, control: control::Control) -> Vec<String> {
            self.controls += 1;
            let control = Some(Control { origin: None, control: Some(control) });
            self.take(Event::Control(ControlCopy { number: self.controls, control }))
        }

        fn activate(&mut self, text: &str) -> Vec<String> {
            self.control(control::Control::PolicyActivated(PolicyActivated { text: text.to_owned() }))
        }

        fn order(&mut self, day: &str) -> Vec<String> {
            let order = Order { order_id: day.to_owned(), currency: "GBP".to_owned(), ..Order::default() };
            let (id, time_ms) = (format!("o-{day}"), parse_instant(&format!("{day}T10:00:00Z")).unwrap());
            let data = Some(Data::OrderPlaced(Order { amount_minor: 100, ..order }));
            self.take(Event::Fact(Fact { id, time_ms, subject: "c".to_owned(), data, ..Fact::default() }))
        }

        fn tick(&mut self, day: &str) -> Vec<String> {
            self.take(Event::Tick(Tick { time_ms: parse_instant(&format!("{day}T00:00:00Z")).unwrap() }))
        }

        fn standing(&self) -> ExplainedStanding {
            self.scoring.explain("c").remove(0)
        }
    }

    #[test]
    fn up_at_once_and_down_at_the_end_of_the_quarter() {
        let mut world = World::new();
        assert_eq!(world.order("2026-01-10"), ["2026-01-10 first - B event o-2026-01-10"]);
        assert_eq!(world.order("2026-01-20"), ["2026-01-20 up B A event o-2026-01-20"]);
        // Both have left: C is reached, and waits.
        assert_eq!(world.tick("2026-03-25"), [""; 0]);
        let standing = world.standing();
        assert_eq!((standing.tier.as_str(), standing.reached.as_str()), ("A", "C"));
        assert_eq!(standing.review_at_ms.map(format_instant).as_deref(), Some("2026-04-01T00:00:00Z"));
        // One comes, which is B's.
        assert_eq!(world.order("2026-03-26"), [""; 0]);
        assert_eq!(world.tick("2026-03-31"), [""; 0]);
        assert_eq!(world.tick("2026-04-01"), ["2026-04-01 down A B review o-2026-01-10,o-2026-01-20"]);
        let standing = world.standing();
        assert_eq!((standing.tier.as_str(), standing.reached.as_str(), standing.review_at_ms), ("B", "B", None));
    }

    #[test]
    fn who_is_back_by_the_review_never_fell() {
        let mut world = World::new();
        world.order("2026-01-10");
        world.order("2026-01-20");
        assert_eq!(world.tick("2026-03-15"), [""; 0]);
        assert_eq!(world.standing().reached, "B");
        assert_eq!(world.order("2026-03-16"), [""; 0]);
        assert_eq!(world.standing().reached, "A");
        world.order("2026-03-20");
        assert_eq!(world.tick("2026-04-01"), [""; 0]);
        assert_eq!(world.tick("2026-07-01"), ["2026-07-01 down A C review o-2026-03-16,o-2026-03-20"]);
    }

    #[test]
    fn a_new_version_takes_nothing_away_before_the_review() {
        let mut world = World::new();
        world.order("2026-01-10");
        world.tick("2026-01-11");
        let stricter =
            QUARTERLY.replace("version = 1", "version = 2").replace("at_least = 1\n", "at_least = \"1.5\"\n");
        assert_eq!(world.activate(&stricter), [""; 0]);
        assert_eq!(world.standing().reached, "C");
        let milder = QUARTERLY.replace("version = 1", "version = 3").replace("at_least = 2\n", "at_least = \"1.5\"\n");
        assert_eq!(world.activate(&milder), [""; 0], "B again, and nothing waits any more");
        assert_eq!(world.standing().review_at_ms, None);
        let mildest = QUARTERLY.replace("version = 1", "version = 4").replace("at_least = 2\n", "at_least = 1\n");
        let mildest = mildest.replacen("name = \"B\"\nat_least = 1\n", "name = \"B\"\nat_least = \"0.5\"\n", 1);
        assert_eq!(world.activate(&mildest), ["2026-01-11 up B A policy"]);
        let renamed = mildest.replace("version = 4", "version = 5").replace("\"A\"", "\"gold\"");
        assert_eq!(world.activate(&renamed), ["2026-01-11 other A gold policy"], "a tier that is no more");
    }
}
