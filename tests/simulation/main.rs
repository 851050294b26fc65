//! The whole mesh, simulated: the services' own code on a log and a store in memory, in one thread, under thousands of
//! seeded schedules of faults.
//!
//! Processes are runtimes with clocks of their own; a schedule says what happens to them. A run depends on its schedule
//! alone, so one that fails is made small, printed, and pinned in `pinned.rs`. That the simulation finds bugs is shown
//! by `mutations`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

mod drain;
mod events;
mod gate;
mod listener;
mod mesh;
mod mutations;
mod operation;
mod panics;
mod pinned;
mod process;
mod seeds;
mod sim_log;
mod verdict;
mod world;
