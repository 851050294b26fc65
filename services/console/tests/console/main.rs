//! The console over a log in memory: what it shows is what the log says, whatever it is asked and whenever it is dropped.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, missing_docs, reason = "tests")]

mod api;
mod live;
mod page;
mod rebuild;
mod stage;
