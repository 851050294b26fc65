//! A history under policies: every fact in its order, every tick, and what each changes.

use std::collections::BTreeMap;

use tiermesh_domain::{
    policy::{DetectorSettings, Policy},
    time::Millis,
};
use tiermesh_proto::v1::Fact;

use crate::{
    evaluate::{evaluate, population},
    known::Known,
    log::{first_of_each_name, in_total_order},
    outcome::{Change, CustomerTier, Outcome, Standing},
    population::Population,
    quiet::signals_with_quiet_sources,
    review::{is_review, may_change},
    timeline::{Step, timeline},
};

/// What facts, in any order and however often they come, lead to under each policy by `until`; nothing after it counts.
pub fn simulate(facts: &[Fact], policies: &[Policy], detectors: Option<&DetectorSettings>, until: Millis) -> Outcome {
    let sorted = in_total_order(facts);
    let mut log = first_of_each_name(&sorted);
    log.retain(|fact| fact.time_ms <= until);

    let mut outcome = Outcome::default();
    for policy in policies {
        let mut run = Run::of(policy);
        for step in timeline(&log, &policy.zone, until) {
            run.step(step);
        }
        outcome.changes.append(&mut run.changes);
        outcome.customers.extend(run.customers());
    }
    if let Some(settings) = detectors {
        outcome.signals = signals_with_quiet_sources(facts, settings, until, &[]);
    }
    // Stable: what happened to one customer at one instant keeps its order.
    outcome.customers.sort_by(|a, b| (&a.customer, &a.policy).cmp(&(&b.customer, &b.policy)));
    outcome.changes.sort_by(|a, b| {
        (a.at, &a.customer, &a.programme, &a.policy).cmp(&(b.at, &b.customer, &b.programme, &b.policy))
    });
    outcome.signals.sort_by(|a, b| (a.at, &a.customer, a.detector).cmp(&(b.at, &b.customer, b.detector)));
    outcome
}

/// One policy's way through the history.
struct Run<'a, 'p> {
    policy: &'p Policy,
    known: Known<'a>,
    /// The last tick, and the population at it.
    tick: Option<Millis>,
    population: Option<Population>,
    /// Each customer's standing, and since when it has that tier.
    standings: BTreeMap<&'a str, (Standing, Millis)>,
    changes: Vec<Change>,
}

impl<'a, 'p> Run<'a, 'p> {
    fn of(policy: &'p Policy) -> Self {
        Self {
            policy,
            known: Known::default(),
            tick: None,
            population: None,
            standings: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    fn step(&mut self, step: Step<'a>) {
        match step {
            Step::Fact(fact) => {
                self.known.learn(fact);
                self.re_evaluate(&fact.subject, fact.time_ms, false);
            }
            Step::Tick(at) => {
                let review = is_review(self.policy, self.tick, at);
                self.tick = Some(at);
                self.population = population(self.known.books.values(), self.policy, at);
                let everybody: Vec<&'a str> = self.known.books.keys().copied().collect();
                for customer in everybody {
                    self.re_evaluate(customer, at, review);
                }
            }
        }
    }

    fn re_evaluate(&mut self, customer: &'a str, at: Millis, review: bool) {
        let mut standing = evaluate(&self.known.books[customer], self.policy, self.tick, self.population.as_ref());
        let before = self.standings.get(customer);
        let held = before.map(|(before, _)| before.tier.as_str());
        if let Some(held) = held
            && !may_change(self.policy, Some(held), &standing.tier, review)
        {
            standing.tier = held.to_owned();
        }
        let since = match before {
            Some((before, since)) if before.tier == standing.tier => *since,
            _ => {
                self.changes.push(Change {
                    at,
                    customer: customer.to_owned(),
                    programme: self.policy.programme.clone(),
                    policy: self.policy.name.clone(),
                    version: self.policy.version,
                    from: held.map(str::to_owned),
                    to: standing.tier.clone(),
                });
                at
            }
        };
        self.standings.insert(customer, (standing, since));
    }

    fn customers(self) -> impl Iterator<Item = CustomerTier> {
        let policy = self.policy;
        self.standings.into_iter().map(move |(customer, (standing, since))| CustomerTier {
            customer: customer.to_owned(),
            programme: policy.programme.clone(),
            policy: policy.name.clone(),
            version: policy.version,
            since,
            standing,
        })
    }
}

#[cfg(test)]
mod tests;
