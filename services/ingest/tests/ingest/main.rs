//! Ingest from the outside: over HTTP, on the memory log and SQLite.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]

mod control;
mod events;
mod harness;
mod history;
mod limits;
mod policies;
mod scoring;
