//! Partitions, order and lateness change nothing: a mesh of any size gives what `simulate` gives on the spot.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tiermesh_domain::{
    explain::{CustomerFold, Explanation},
    fact,
    hash::partition_of,
    scoring::CustomerStanding,
    simulate::simulate,
    time::{DAY_MS, Millis, Zone, parse_instant},
};
use tiermesh_proto::v1::{Fact, LossSignal};

use crate::{
    data::{POLICIES, policy_text, retail},
    generated,
    stepped::Mesh,
};

const SIZES: [u32; 3] = [1, 3, 8];

fn documents() -> Vec<String> {
    POLICIES.iter().chain(&["loss-signals"]).map(|name| policy_text(name)).collect()
}

/// The instants at which history ticks: each midnight after the first fact, and `until`.
fn ticks(first: Millis, until: Millis) -> Vec<Millis> {
    let zone = Zone::utc();
    let mut ticks: Vec<Millis> = Vec::new();
    let mut midnight = zone.next_midnight(first);
    while midnight < until {
        ticks.push(midnight);
        midnight = zone.next_midnight(midnight);
    }
    ticks.push(until);
    ticks
}

/// By tick, the facts that `arrival` brings to the log before it.
fn days(facts: &[Fact], until: Millis, mut arrival: impl FnMut(&Fact) -> Millis) -> BTreeMap<Millis, Vec<Fact>> {
    let facts: Vec<&Fact> = facts.iter().filter(|fact| fact.time_ms <= until).collect();
    let Some(first) = facts.iter().map(|fact| fact.time_ms).min() else { return BTreeMap::new() };
    let mut days: BTreeMap<Millis, Vec<Fact>> =
        ticks(first, until).into_iter().map(|tick| (tick, Vec::new())).collect();
    for fact in facts {
        let arrives = arrival(fact).clamp(fact.time_ms, until);
        let (_, day) = days.range_mut(arrives..).next().unwrap();
        day.push(fact.clone());
    }
    days
}

fn run(partitions: u32, documents: &[String], days: BTreeMap<Millis, Vec<Fact>>) -> Mesh {
    let mut mesh = Mesh::with(partitions, documents);
    for (tick, facts) in days {
        facts.into_iter().for_each(|fact| mesh.fact(fact));
        mesh.tick(tick);
        mesh.copy_cut_points();
    }
    mesh
}

/// In the total order, as history is sent.
fn in_order(facts: &[Fact], until: Millis) -> BTreeMap<Millis, Vec<Fact>> {
    let mut facts = facts.to_vec();
    fact::sort(&mut facts);
    days(&facts, until, |fact| fact.time_ms)
}

fn assert_as_simulated(facts: &[Fact], documents: &[String], until: Millis) -> Result<(), TestCaseError> {
    let simulated = simulate(facts.to_vec(), documents, until).unwrap();
    for partitions in SIZES {
        let mesh = run(partitions, documents, in_order(facts, until));
        same("change", partitions, &mesh.changes(), &simulated.changes)?;
        same("standing", partitions, &mesh.standings(), &simulated.customers)?;
        same("signal", partitions, &mesh.signals(), &simulated.signals)?;
        prop_assert_eq!(mesh.conflicts, simulated.conflicts);
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    partitions: u32,
    mesh: &[T],
    simulated: &[T],
) -> Result<(), TestCaseError> {
    let differs = (0..mesh.len().max(simulated.len())).find(|at| mesh.get(*at) != simulated.get(*at));
    if let Some(at) = differs {
        let (mesh, simulated) = (mesh.get(at), simulated.get(at));
        let message = format!("{what} {at} of {partitions} partitions\n  mesh: {mesh:?}\n  simulated: {simulated:?}");
        return Err(TestCaseError::fail(message));
    }
    Ok(())
}

/// Where everybody stands, but for since when: that is told by the order in which facts came.
fn without_since(mut standings: Vec<CustomerStanding>) -> Vec<CustomerStanding> {
    standings.iter_mut().for_each(|standing| standing.since = 0);
    standings
}

/// An explanation against everybody's standings, and the signals that were raised last and not ended.
fn explained(
    explanation: &Explanation,
    customer: &str,
    standings: &[CustomerStanding],
    signals: &[LossSignal],
) -> Result<(), TestCaseError> {
    let expected: Vec<&CustomerStanding> = standings.iter().filter(|standing| standing.customer == customer).collect();
    prop_assert_eq!(explanation.standings.len(), expected.len(), "{}", customer);
    for (found, expected) in explanation.standings.iter().zip(expected) {
        prop_assert_eq!((&found.policy, &found.programme), (&expected.policy, &expected.programme));
        prop_assert_eq!(
            (found.version, &found.tier, found.since_ms),
            (expected.version, &expected.tier, Some(expected.since))
        );
        prop_assert_eq!((found.score_e4, &found.metrics), (expected.score_e4, &expected.metrics));
        prop_assert_eq!((found.coverage_e4, &found.missing), (expected.coverage_e4, &expected.missing));
        let sum: i64 = found.contributions.iter().map(|part| part.points_e4).sum();
        prop_assert_eq!(sum, found.score_e4.unwrap_or(0));
        if let Some(review) = found.review_at_ms {
            prop_assert_ne!(&found.tier, &found.reached);
            prop_assert!(Some(review) > explanation.as_of_ms, "{:?}", found);
        }
        if found.tier != found.reached {
            prop_assert!(found.review_at_ms.is_some(), "{:?}", found);
        }
    }
    let mut open: BTreeMap<&str, &LossSignal> = BTreeMap::new();
    for signal in signals.iter().filter(|signal| signal.customer == customer) {
        match signal.state.as_str() {
            "raised" | "updated" => open.insert(&signal.detector, signal),
            _ => open.remove(signal.detector.as_str()),
        };
    }
    let rows = |detector: &str, since, observed, window| (detector.to_owned(), since, observed, window);
    let found: Vec<_> =
        explanation.signals.iter().map(|s| rows(&s.detector, s.since_ms, s.observed, s.window_days)).collect();
    let expected: Vec<_> =
        open.values().map(|s| rows(&s.detector, Some(s.raised_at_ms), s.observed, s.window_days)).collect();
    prop_assert_eq!(found, expected, "{}", customer);
    Ok(())
}

#[test]
fn real_invoices_give_what_simulate_gives() {
    assert_as_simulated(&retail(), &documents(), parse_instant("2010-12-01T00:00:00Z").unwrap()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn generated_histories_give_what_simulate_gives(history in generated::history()) {
        assert_as_simulated(&history.facts, &documents(), history.until)?;
    }

    /// In one time zone, as a mesh has one sequence of ticks.
    #[test]
    fn generated_reviews_give_what_simulate_gives(history in generated::history(), texts in generated::reviewed()) {
        let zones = [r#"time_zone = "Europe/London""#, r#"time_zone = "Asia/Shanghai""#];
        let utc = |text: &String| zones.iter().fold(text.clone(), |text, zone| text.replace(zone, r#"time_zone = "UTC""#));
        let documents: Vec<String> = texts.iter().map(utc).chain([policy_text("loss-signals")]).collect();
        assert_as_simulated(&history.facts, &documents, history.until)?;
    }

    /// The fold of one customer alone says of it what the fold of everybody says.
    #[test]
    fn one_customers_fold_explains_what_everybodys_says(history in generated::history(), texts in generated::reviewed()) {
        let documents: Vec<String> = documents().into_iter().filter(|text| text.contains("lifecycle]") || text.contains("loss-signals"))
            .chain(texts).collect();
        let mesh = run(3, &documents, in_order(&history.facts, history.until));
        let (standings, signals) = (mesh.standings(), mesh.signals());
        for customer in (0..7).map(|number| format!("customer-{number}")) {
            let mut fold = CustomerFold::new(3, &customer);
            for event in mesh.events_of(partition_of(&customer, 3) as usize) {
                fold.take(event).unwrap();
            }
            explained(&fold.explanation(), &customer, &standings, &signals)?;
        }
    }

    #[test]
    fn order_within_a_day_and_duplicates_change_no_standing(history in generated::history(), seed: u64) {
        let simulated = simulate(history.facts.clone(), &documents(), history.until).unwrap();
        for partitions in SIZES {
            let mut days = in_order(&history.facts, history.until);
            for facts in days.values_mut() {
                *facts = generated::shuffled(facts, seed);
            }
            let mesh = run(partitions, &documents(), days);
            prop_assert_eq!(mesh.conflicts, 0);
            same("standing", partitions, &without_since(mesh.standings()), &without_since(simulated.customers.clone()))?;
        }
    }

    /// Facts that come late, by hours or by more than a window, count from then on as if they had come in time.
    #[test]
    fn lateness_changes_no_standing(history in generated::history(), seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let simulated = simulate(history.facts.clone(), &documents(), history.until).unwrap();
        let mut facts = history.facts.clone();
        facts.shuffle(&mut random);
        let late = days(&facts, history.until, |fact| match random.random_range(0..4) {
            0 => fact.time_ms,
            1 => fact.time_ms + random.random_range(0..2 * DAY_MS),
            _ => fact.time_ms + random.random_range(0..500) * DAY_MS,
        });
        let mesh = run(3, &documents(), late);
        same("standing", 3, &without_since(mesh.standings()), &without_since(simulated.customers))?;
    }

    /// Policies that came into force in the middle, and versions of them that came and went, leave nothing behind.
    #[test]
    fn policies_in_the_middle_end_as_if_they_had_always_been(history in generated::history(), seed: u64) {
        let version = |number: u32, days: u32| {
            let text = policy_text("abc").replace("version = 1", &format!("version = {number}"));
            text.replace("window_days = 365", &format!("window_days = {days}"))
        };
        let mut documents = vec![version(1, 365), version(2, 90), version(3, 365)];
        documents.extend(POLICIES.iter().filter(|name| **name != "abc").map(|name| policy_text(name)));
        let mut random = StdRng::seed_from_u64(seed);
        let days = in_order(&history.facts, history.until);
        // The days on which they come into force: few, so that some come and go between two ticks.
        let chosen = [(); 3].map(|()| random.random_range(0..days.len().max(1)));
        let mut coming: Vec<usize> = documents.iter().map(|_| chosen[random.random_range(0..3)]).collect();
        coming.sort_unstable();
        let mut mesh = Mesh::new(3);
        for (number, (tick, facts)) in days.into_iter().enumerate() {
            for (_, text) in coming.iter().zip(&documents).filter(|(at, _)| **at == number) {
                mesh.activate(text);
            }
            facts.into_iter().for_each(|fact| mesh.fact(fact));
            mesh.tick(tick);
            mesh.copy_cut_points();
        }
        let simulated = simulate(history.facts.clone(), &documents[2..], history.until).unwrap();
        same("standing", 3, &without_since(mesh.standings()), &without_since(simulated.customers))?;
    }
}
