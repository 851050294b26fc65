//! What Tiermesh knows about customers, and nothing else: money, facts, metrics, policies, tiers, detectors.
//!
//! Pure: no I/O, no clock, no randomness. The same records give the same effects, byte for byte, on any machine.
#![forbid(unsafe_code)]

pub mod exact;
pub mod explain;
pub mod fact;
pub mod fold;
pub mod hash;
pub mod ledger;
pub mod lifecycle;
pub mod lines;
pub mod money;
pub mod names;
mod packing;
pub mod policy;
pub mod rank;
pub mod scoring;
pub mod signals;
pub mod simulate;
pub mod sources;
pub mod time;
mod wire;
