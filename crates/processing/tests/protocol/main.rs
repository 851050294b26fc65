//! The protocol of the partition runtime: exactly the right effects, once, whatever is cut off, lost or replaced.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod acknowledgements;
mod consuming;
mod counting;
mod crashes;
mod delivery;
mod fencing;
mod foreign_log;
mod gate;
mod hand_over;
mod measuring;
mod numbering;
mod pausing;
mod readiness;
mod stage;
mod traces;
mod unreadable;
