//! Whole-mesh tests, one binary: against the plain batch, end to end, under faults.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, missing_docs, reason = "tests")]

mod data;
mod embedded;
mod generated;
mod kafka;
mod killed;
mod mesh_process;
mod oracle;
mod partitions;
mod running;
mod save;
mod simulate_command;
mod stepped;
mod walls;
