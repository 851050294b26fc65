//! Partitions, order and lateness change nothing: a mesh of any size gives what `simulate` gives on the spot.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tiermesh_domain::{
    fact,
    scoring::CustomerStanding,
    simulate::simulate,
    time::{DAY_MS, Millis, Zone, parse_instant},
};
use tiermesh_proto::v1::Fact;

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

fn run(partitions: u32, days: BTreeMap<Millis, Vec<Fact>>) -> Mesh {
    let mut mesh = Mesh::with(partitions, &documents());
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

fn assert_as_simulated(facts: &[Fact], until: Millis) -> Result<(), TestCaseError> {
    let simulated = simulate(facts.to_vec(), &documents(), until).unwrap();
    for partitions in SIZES {
        let mesh = run(partitions, in_order(facts, until));
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

#[test]
fn real_invoices_give_what_simulate_gives() {
    assert_as_simulated(&retail(), parse_instant("2010-12-01T00:00:00Z").unwrap()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn generated_histories_give_what_simulate_gives(history in generated::history()) {
        assert_as_simulated(&history.facts, history.until)?;
    }

    #[test]
    fn order_within_a_day_and_duplicates_change_no_standing(history in generated::history(), seed: u64) {
        let simulated = simulate(history.facts.clone(), &documents(), history.until).unwrap();
        for partitions in SIZES {
            let mut days = in_order(&history.facts, history.until);
            for facts in days.values_mut() {
                *facts = generated::shuffled(facts, seed);
            }
            let mesh = run(partitions, days);
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
        let mesh = run(3, late);
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
