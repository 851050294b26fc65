//! notification: who hears of it, where, and what became of telling them.
//!
//! | what | where |
//! | --- | --- |
//! | what a record has to tell, and how it reads | `news`, `message`, `sentence` |
//! | who wants to hear it | [`Routes`] |
//! | deliveries owed, in one transaction with the place in the topic | `ledger` |
//! | attempts, until it arrived or is given up | `dispatcher`, `webhook`, `patience` |
//! | each change of a delivery's state, to a topic | `teller` |
//!
//! It consumes `tier.changes`, `churn.signals` and `control`, and must never know why a tier changed.
#![forbid(unsafe_code)]

mod api;
mod dispatcher;
mod ledger;
mod message;
mod meters;
mod news;
mod patience;
mod routes;
mod sentence;
mod service;
mod settings;
mod teller;
mod webhook;

pub use ledger::TOPICS;
pub use routes::{Routes, RoutesError};
pub use service::{Notification, NotificationError, run};
pub use settings::{Args, Settings};
