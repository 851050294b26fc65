//! The partition runtime: it folds records, numbers effects, sends them, and saves what it may.
//!
//! | what | where |
//! | --- | --- |
//! | numbering, packing; pure | [`Engine`] |
//! | one partition from save to stop | `partition`; when it saves: `save_rule` |
//! | a member's partitions, a task each | `owned` |
//! | taking over: save, fence, tail of the outputs | `recovery` |
//! | a service: group membership, restart | [`run_service`] |
//! | who does something else with records than fold them | [`run_consumer`] |
//! | which dead letters are one | [`letter_identity`] |
//!
//! It must never know what a record means: that is the fold's.
#![forbid(unsafe_code)]

mod consumer;
mod cpu_time;
mod engine;
mod error;
mod letter;
mod metrics;
mod off_thread;
mod outbox;
mod outgoing;
mod owned;
mod partition;
mod recovery;
mod save_rule;
mod saver;
mod service;
mod trace_index;
mod trace_spans;

pub use consumer::{Batch, ConsumeError, Consumer, Place, run_consumer};
pub use engine::{Engine, Numbered, PackedState};
pub use error::RunError;
pub use letter::letter_identity;
pub use outgoing::{Outgoing, effect_id, origin_of};
pub use service::{Processor, ServiceContext, run_service};
