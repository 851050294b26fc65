//! Inbound topics: events that others write to Kafka, taken in by the same checks as over HTTP.
//!
//! A record's place is committed only once its event, or its dead letter, stands in the log. So a crash repeats some
//! records and leaves none out; what is repeated counts once.

mod consuming;
mod file;
mod partition;
mod reading;

pub(crate) use consuming::run;
pub use file::{Inbound, InboundError};
