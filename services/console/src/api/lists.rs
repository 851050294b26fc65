//! What happened lately, what is open, what was told to whom.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use serde_json::Value;
use tiermesh_store::read_model::{Kind, Listed, SignalFilter};

use super::{
    Answer, Shared,
    error::Failure,
    parameters::{Parameters, bad_after, cut},
};
use crate::messages;

const DIRECTIONS: [&str; 4] = ["first", "up", "down", "other"];

pub(super) async fn changes(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    let parameters = Parameters::read(query, &["policy", "direction", "after", "limit"])?;
    let limit = parameters.limit()?;
    let (policy, direction) = (parameters.text("policy"), parameters.text("direction"));
    if let Some(direction) = direction.as_deref().filter(|given| !DIRECTIONS.contains(given)) {
        let reason = format!("{direction:?} is not one of {}", DIRECTIONS.join(", "));
        return Err(Failure::parameter("direction", reason));
    }
    let after = parameters.after::<2>()?.map(|[at_ms, number]| (at_ms, number));
    let mut rows = shared.model.changes(policy.as_deref(), direction.as_deref(), after, limit + 1).await?;
    let next = cut(&mut rows, limit, behind);
    shared.page(shown(Kind::Change, &rows), next)
}

pub(super) async fn deliveries(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    let parameters = Parameters::read(query, &["state", "route", "customer", "after", "limit"])?;
    let limit = parameters.limit()?;
    let [state, route, customer] = ["state", "route", "customer"].map(|name| parameters.text(name));
    let after = parameters.after::<2>()?.map(|[at_ms, number]| (at_ms, number));
    let (state, route, customer) = (state.as_deref(), route.as_deref(), customer.as_deref());
    let mut rows = shared.model.deliveries(state, route, customer, after, limit + 1).await?;
    let next = cut(&mut rows, limit, behind);
    shared.page(shown(Kind::Delivery, &rows), next)
}

pub(super) async fn signals(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    let parameters = Parameters::read(query, &["detector", "policy", "tier", "customer", "after", "limit"])?;
    let limit = parameters.limit()?;
    let (policy, tier) = parameters.tier()?;
    let after = parameters.text("after").map(|text| position(&text).ok_or_else(|| bad_after(&text))).transpose()?;
    let (customer, detector) = (parameters.text("customer"), parameters.text("detector"));
    let filter = SignalFilter { customer, detector, policy, tier, after, limit: limit + 1 };
    let mut rows = shared.model.open_signals(&filter).await?;
    // The row's own words say where it stands: what is at stake, which detector, whose.
    let is_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let items = shown(Kind::Signal, &rows);
    let next = rows.last().zip(items.last()).filter(|_| is_more).map(|(row, item)| {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        format!("{}.{}.{}", row.rank, text("detector"), text("customer"))
    });
    shared.page(items, next)
}

fn position(text: &str) -> Option<(i64, String, String)> {
    let (at_stake, rest) = text.split_once('.')?;
    let (detector, customer) = rest.split_once('.')?;
    Some((at_stake.parse().ok()?, customer.to_owned(), detector.to_owned()))
}

fn behind(row: &Listed) -> String {
    format!("{}.{}", row.rank, row.number)
}

fn shown(kind: Kind, rows: &[Listed]) -> Vec<Value> {
    rows.iter().map(|row| messages::shown(kind, &row.bytes)).collect()
}
