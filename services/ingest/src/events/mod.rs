//! Events that come over HTTP: told apart by content type, checked one by one, appended together.

mod binary;
mod body;
mod examine;
mod intake;
mod lines;
mod requests;

pub(crate) use body::{discard, read_body};
pub(crate) use examine::{Examiner, Original};
pub(crate) use intake::{InFlight, Intake, Lane, Outcome, Status};
pub(crate) use lines::Lines;
pub(crate) use requests::{Report, post_events, traceparent};
