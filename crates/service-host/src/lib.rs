//! Configuration, logs, health and the graceful stop that every service shares.
//!
//! It knows how a process is started, watched and stopped, and must never know what a service does.
#![forbid(unsafe_code)]

mod arguments;
mod health;
mod logs;
mod serving;
mod shutdown;
pub mod telemetry;
mod tls;

pub use arguments::{ArgumentError, KafkaArgs, ListenArgs, StoreArgs, listen_address};
pub use health::{Health, Latch, Trouble};
pub use logs::{LogArgs, LogFormat};
pub use serving::{bind, serve};
pub use shutdown::Shutdown;
pub use telemetry::{Telemetry, TelemetryArgs, TelemetryError};
pub use tls::install_tls;
