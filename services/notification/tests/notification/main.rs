//! Notification on a log in memory and a ledger in a file, with a receiver that may do whatever receivers do.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod asked;
mod failing;
mod receiver;
mod stage;
mod surviving;
mod telling;
