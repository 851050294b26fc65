//! ingest: everything that enters the mesh.
//!
//! Every instance has a door: it checks events, appends them to `customer.events`, keeps refused ones as dead letters,
//! and answers when the log has them durably. One instance at a time also holds the one partition of `control`: it
//! copies what stands there to all partitions, writes ticks, and loads history.
//!
//! It alone writes `customer.events`, and must never know what a fact leads to.
#![forbid(unsafe_code)]

mod answer;
mod appending;
mod clock;
mod control;
mod dead_letters;
mod events;
pub mod grpc;
mod history;
mod inbound;
mod keys;
mod limits;
mod live;
mod logic;
mod metrics;
mod policies;
mod routes;
mod service;
mod settings;
mod trace;

pub use answer::Denial;
pub use appending::{control_copy, fact_record, tick_record};
pub use clock::Clock;
pub use inbound::{Inbound, InboundError};
pub use keys::{KeyError, NewKey, Scope};
pub use limits::RateLimit;
pub use policies::Activated;
pub use service::{Ingest, IngestError, Service, run};
pub use settings::{IngestArgs, Settings};
