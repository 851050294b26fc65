//! Facts: reading them from CloudEvents, their names, their order.

mod cloud_event;
mod fields;
mod json;
#[cfg(test)]
mod tests;
mod types;

pub use cloud_event::{Parsed, parse_cloud_event, parse_cloud_event_value};
pub use fields::Refusal;
pub use json::parse_json;
use prost::Message;
use tiermesh_proto::v1::{Fact, fact::Data};
pub use types::{PREFIX, type_name};

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

/// The fact's data.
///
/// # Errors
/// The fact has none: it was written by a release that knows more types than this one.
pub fn data(fact: &Fact) -> Result<&Data, UnknownFact> {
    fact.data.as_ref().ok_or_else(|| UnknownFact { id: fact.id.clone() })
}

/// A fact of a type that this release doesn't know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event `{id}` is of a type this release doesn't know; upgrade before folding on")]
pub struct UnknownFact {
    /// The event's id.
    pub id: String,
}
