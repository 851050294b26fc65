//! The mesh at a glance: how tiers are spread, what is in force, how far everything is.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{RawQuery, State},
};
use serde_json::{Value, json};
use tiermesh_domain::{policy::Policy, time::format_instant};
use tiermesh_store::read_model::Refused;

use super::{Answer, Shared, parameters::Parameters};
use crate::in_force::InForce;

/// Dead letters that are shown.
const DEAD_LETTERS: u32 = 20;

pub(super) async fn tiers(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    Parameters::read(query, &[])?;
    let in_force = InForce::read(&shared.model).await?;
    let mut counts: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for count in shared.model.tiers().await? {
        counts.entry(count.policy).or_default().insert(count.tier, count.customers);
    }
    let policies: Vec<Value> = in_force
        .policies
        .values()
        .map(|policy| spread(policy, counts.remove(&policy.name).unwrap_or_default()))
        .collect();
    Ok(Json(json!({"policies": policies, "building": shared.progress.borrow().shown()})))
}

/// The tiers in the policy's order, also those that nobody holds; behind them those of earlier versions.
fn spread(policy: &Policy, mut counts: BTreeMap<String, i64>) -> Value {
    let customers: i64 = counts.values().sum();
    let mut tiers: Vec<Value> = policy
        .tiers
        .iter()
        .map(|tier| json!({"tier": tier.name, "customers": counts.remove(&tier.name).unwrap_or(0)}))
        .collect();
    tiers.extend(counts.into_iter().map(|(tier, customers)| json!({"tier": tier, "customers": customers})));
    json!({
        "policy": policy.name,
        "programme": policy.programme,
        "version": policy.version,
        "customers": customers,
        "tiers": tiers,
    })
}

pub(super) async fn status(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    Parameters::read(query, &[])?;
    let in_force = InForce::read(&shared.model).await?;
    let (customers, open_signals, states) = shared.model.counts().await?;
    let (open_letters, recent) = shared.model.open_dead_letters(DEAD_LETTERS).await?;
    // What is shown is whole up to the tick that every partition has reached.
    let ticks = shared.model.ticks().await?;
    let tick = ticks.iter().map(|(_, time_ms)| *time_ms).min();
    let progress = shared.progress.borrow().clone();
    let letter = |letter: &Refused| {
        json!({
            "received": format_instant(letter.received_ms),
            "source": letter.source,
            "id": letter.id,
            "subject": letter.subject,
            "field": letter.field,
            "reason": letter.reason,
        })
    };
    Ok(Json(json!({
        "live": in_force.is_live,
        "tick": tick.map(format_instant),
        "customers": customers,
        "open_signals": open_signals,
        "deliveries": states.into_iter().collect::<BTreeMap<_, _>>(),
        "quiet_sources": in_force.quiet_sources(),
        "dead_letters": {"open": open_letters, "recent": recent.iter().map(letter).collect::<Vec<_>>()},
        "generation": progress.generation,
        "building": progress.shown(),
        "lag": progress.positions.iter().map(|position| position.lag()).sum::<u64>(),
        "positions": progress.positions.iter().map(|position| position.shown()).collect::<Vec<_>>(),
    })))
}
