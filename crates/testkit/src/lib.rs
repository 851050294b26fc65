//! Kafka, PostgreSQL and a browser for tests: real ones, found or started, never skipped.
//!
//! [`kafka()`] and [`postgres()`] give a test process one shared server each; [`KafkaServer`] and [`PostgresServer`]
//! are servers of a test's own, to stop and start again. Where they come from, in this order:
//!
//! 1. the environment: `TIERMESH_TEST_KAFKA` (bootstrap servers), `TIERMESH_TEST_POSTGRES` (a URL with the right to
//!    create databases); for the shared ones only;
//! 2. a container engine that works, `docker` or `podman`;
//! 3. a JDK and Maven for Kafka, the system's PostgreSQL binaries; on a Debian where the tests run as root, missing
//!    ones are installed.
//!
//! [`browser()`] is a Chromium of a test's own: the machine's, installed likewise.
//!
//! [`Proxy`] is a line to a server that can be slowed and cut, [`SmallDisk`] a disk that can be filled.
//!
//! If all that fails the test panics and says what was tried. All functions block, inside a tokio runtime or not.
#![forbid(unsafe_code)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test helper: a clear panic is its error report, and it deals in clocks, processes and random names"
)]

mod browser;
mod container;
mod disk;
mod guardian;
mod kafka;
mod ports;
mod postgres;
mod programs;
mod proxy;
pub mod simulation;
mod wait;

pub use browser::{Browser, browser};
pub use disk::SmallDisk;
pub use kafka::{KafkaServer, kafka};
pub use ports::free_port;
pub use postgres::{PostgresServer, postgres};
pub use proxy::{Line, Proxy};
pub use wait::wait_for;
