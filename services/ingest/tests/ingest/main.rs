//! Ingest from the outside: over HTTP, on the memory log and SQLite.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]

mod control;
mod events;
mod grpc;
mod harness;
mod history;
mod inbound;
mod keys;
mod limits;
mod logic;
mod policies;
mod rates;
mod routes;
mod scoring;
