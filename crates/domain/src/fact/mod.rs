//! Facts: reading them from CloudEvents, their names, their order.

mod cloud_event;
mod fields;
mod json;
#[cfg(test)]
mod tests;
mod types;
mod view;

pub use cloud_event::{Parsed, parse_cloud_event, read_cloud_event};
pub use fields::Refusal;
pub use json::{Json, Members, parse_json};
use prost::Message;
use tiermesh_proto::v1::Fact;
pub use types::{PREFIX, type_name};
pub use view::{DataView, FactView, LineView, OrderView};

use crate::time::Millis;

/// Where a fact stands in the total order: time, then subject, source and id, bytewise.
///
/// Between facts of one customer the subject says nothing.
pub fn order_key(fact: &Fact) -> (Millis, &str, &str, &str) {
    (fact.time_ms, &fact.subject, &fact.source, &fact.id)
}

/// Sorts facts into the total order. Facts with one name and different content come in the order of their bytes, so
/// that the result doesn't depend on the order they came in.
pub fn sort(facts: &mut [Fact]) {
    facts.sort_by(|a, b| {
        order_key(a)
            .cmp(&order_key(b))
            .then_with(|| if a == b { std::cmp::Ordering::Equal } else { a.encode_to_vec().cmp(&b.encode_to_vec()) })
    });
}

/// A fact of a type that this release doesn't know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event `{id}` is of a type this release doesn't know; upgrade before folding on")]
pub struct UnknownFact {
    /// The event's id.
    pub id: String,
}
