//! console: the read model, the query API, the web page.
//!
//! It builds rows out of topics and shows them. Nothing is entered here, and nothing is decided: it could be dropped and
//! built again at any time, and must never know a rule.
#![forbid(unsafe_code)]

mod api;
mod builder;
mod explain;
mod facts;
mod in_force;
mod live;
mod messages;
mod page;
mod progress;
mod rows;
mod service;

pub use builder::TOPICS;
pub use service::{Console, ConsoleError, run};
