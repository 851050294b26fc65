//! Customers: the list, one of them with what its tiers come from, and all that is known of it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State},
};
use serde_json::{Value, json};
use tiermesh_domain::time::format_instant;
use tiermesh_store::read_model::{CustomerFilter, CustomerRow, HeldTier, Kind, Moment, SignalFilter};

use super::{
    Answer, Shared,
    error::Failure,
    parameters::{Parameters, bad_after, cut},
};
use crate::{explain::explain, messages};

/// More detectors than there will be.
const MOST_SIGNALS: u32 = 100;

pub(super) async fn list(State(shared): State<Arc<Shared>>, query: RawQuery) -> Answer {
    let known = ["policy", "tier", "owner", "region", "signal", "q", "after", "limit"];
    let parameters = Parameters::read(query, &known)?;
    let limit = parameters.limit()?;
    let (policy, tier) = parameters.tier()?;
    let filter = CustomerFilter {
        policy,
        tier,
        owner: parameters.text("owner"),
        region: parameters.text("region"),
        signal: parameters.text("signal"),
        prefix: parameters.text("q"),
        only: None,
        after: parameters.text("after"),
        limit: limit + 1,
    };
    let mut rows = shared.model.customers(&filter).await?;
    let next = cut(&mut rows, limit, |row| row.customer.clone());
    shared.page(rows.iter().map(shown).collect(), next)
}

pub(super) async fn one(State(shared): State<Arc<Shared>>, Path(id): Path<String>, query: RawQuery) -> Answer {
    Parameters::read(query, &[])?;
    let row = find(&shared, &id).await?;
    let (as_of, standings) = explain(&shared.model, &row, shared.partitions).await?;
    let filter = SignalFilter { customer: Some(id), limit: MOST_SIGNALS, ..SignalFilter::default() };
    let signals = shared.model.open_signals(&filter).await?;
    let signals: Vec<Value> = signals.iter().map(|signal| messages::shown(Kind::Signal, &signal.bytes)).collect();
    let mut customer = shown(&row);
    customer["as_of"] = as_of;
    customer["standings"] = json!(standings);
    customer["signals"] = json!(signals);
    customer["building"] = shared.progress.borrow().shown();
    Ok(Json(customer))
}

pub(super) async fn timeline(State(shared): State<Arc<Shared>>, Path(id): Path<String>, query: RawQuery) -> Answer {
    let parameters = Parameters::read(query, &["after", "limit"])?;
    let limit = parameters.limit()?;
    let after = match parameters.after::<3>()? {
        None => None,
        Some([at_ms, code, number]) => {
            let kind = Kind::of(code).ok_or_else(|| bad_after(&parameters.text("after").unwrap_or_default()))?;
            Some(Moment { at_ms, kind, number })
        }
    };
    find(&shared, &id).await?;
    let mut rows = shared.model.timeline(&id, after, limit + 1).await?;
    let next = cut(&mut rows, limit, |row| {
        let Moment { at_ms, kind, number } = row.moment;
        format!("{at_ms}.{}.{number}", kind.code())
    });
    let item = |row: &tiermesh_store::read_model::TimelineRow| {
        let kind = row.moment.kind;
        json!({
            "at": format_instant(row.moment.at_ms),
            "kind": messages::name(kind),
            messages::name(kind): messages::shown(kind, &row.bytes),
        })
    };
    shared.page(rows.iter().map(item).collect(), next)
}

async fn find(shared: &Shared, id: &str) -> Result<CustomerRow, Failure> {
    let filter = CustomerFilter { only: Some(id.to_owned()), limit: 1, ..CustomerFilter::default() };
    let found = shared.model.customers(&filter).await?.pop();
    found.ok_or_else(|| {
        let building = if shared.progress.borrow().is_building { " yet; the read model is being built" } else { "" };
        Failure::Unknown(format!(
            "there is no customer {id:?}{building}; /api/v1/customers?q=… finds ids by their beginning"
        ))
    })
}

fn shown(row: &CustomerRow) -> Value {
    let tier = |held: &HeldTier| {
        json!({
            "policy": held.policy,
            "version": held.version,
            "tier": held.tier,
            "since": format_instant(held.since_ms),
        })
    };
    json!({
        "customer": row.customer,
        "owner": row.owner,
        "region": row.region,
        "language": row.language,
        "first_event": format_instant(row.first_ms),
        "last_event": format_instant(row.last_ms),
        "events": row.facts,
        "tiers": row.tiers.iter().map(tier).collect::<Vec<_>>(),
        "open_signals": row.open_signals,
    })
}
