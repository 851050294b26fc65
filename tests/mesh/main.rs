//! Whole-mesh tests, one binary: against the plain batch, end to end, under faults.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, missing_docs, reason = "tests")]

mod bad_inputs;
mod command;
mod compose_mesh;
mod composed;
mod console;
mod data;
mod dead_letters;
mod demo;
mod deploy;
mod embedded;
mod faults;
mod generated;
mod inbound;
mod kafka;
mod keys;
mod killed;
mod logic;
mod mesh_process;
mod notification;
mod oracle;
mod otlp;
mod partitions;
mod receiver;
mod running;
mod save;
mod simulate_command;
mod stale_source;
mod stepped;
mod traces;
mod undisturbed;
mod walls;
