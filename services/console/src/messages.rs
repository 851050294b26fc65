//! Messages of the topics as the API shows them.

use prost::Message;
use serde_json::{Value, json};
use tiermesh_domain::{exact::format_scaled, lines, money::decimals_of, time::format_instant};
use tiermesh_proto::v1::{CustomerCard, Delivery, LossSignal, TierChange};
use tiermesh_store::read_model::{FeedRow, Kind};

use crate::facts;

/// An amount of money in its currency's digits.
pub(crate) fn money(minor: i64, currency: &str) -> String {
    format_scaled(i128::from(minor), decimals_of(currency).unwrap_or(2))
}

/// A message of the read model; null if it can't be read, which only a later release could have written.
pub(crate) fn shown(kind: Kind, bytes: &[u8]) -> Value {
    match kind {
        Kind::Fact => facts::shown(bytes),
        Kind::Change => TierChange::decode(bytes).map_or(Value::Null, |change| self::change(&change)),
        Kind::Signal => LossSignal::decode(bytes).map_or(Value::Null, |signal| self::signal(&signal)),
        Kind::Delivery => Delivery::decode(bytes).map_or(Value::Null, |delivery| self::delivery(&delivery)),
    }
}

/// The name of a kind.
pub(crate) fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Fact => "fact",
        Kind::Change => "change",
        Kind::Signal => "signal",
        Kind::Delivery => "delivery",
    }
}

/// What is told of a row that is new.
pub(crate) fn news(row: &FeedRow) -> Value {
    shown(row.kind, &row.bytes)
}

fn change(change: &TierChange) -> Value {
    // The line that `simulate` and `export` write, and what stands around it.
    let mut shown: Value = serde_json::from_str(&lines::change(change)).unwrap_or_default();
    shown["direction"] = json!(change.direction);
    shown["history"] = json!(change.history);
    with_card(shown, change.card.as_ref())
}

fn signal(signal: &LossSignal) -> Value {
    let tier = |tier: &tiermesh_proto::v1::StandingTier| json!({"programme": tier.programme, "policy": tier.policy, "tier": tier.tier});
    let shown = json!({
        "customer": signal.customer,
        "detector": signal.detector,
        "state": signal.state,
        "at": format_instant(signal.at_ms),
        "since": format_instant(signal.raised_at_ms),
        "observed": signal.observed,
        "expected": signal.expected,
        "window_days": signal.window_days,
        "p": signal.p,
        "at_stake": money(signal.at_stake_minor, &signal.currency),
        "currency": signal.currency,
        "reason": signal.reason,
        "tiers": signal.tiers.iter().map(tier).collect::<Vec<_>>(),
        "history": signal.history,
    });
    with_card(shown, signal.card.as_ref())
}

fn with_card(mut shown: Value, card: Option<&CustomerCard>) -> Value {
    shown["owner"] = json!(card.and_then(|card| card.owner.as_ref()));
    shown["region"] = json!(card.and_then(|card| card.region.as_ref()));
    shown
}

fn delivery(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "route": delivery.route,
        "channel": delivery.channel,
        "target": delivery.target,
        "kind": delivery.kind,
        "customer": (!delivery.customer.is_empty()).then_some(&delivery.customer),
        "state": delivery.state,
        "attempts": delivery.attempts,
        "at": format_instant(delivery.at_ms),
        "reason": (!delivery.reason.is_empty()).then_some(&delivery.reason),
        "cause": {"source": delivery.cause_source, "id": delivery.cause_id},
    })
}
