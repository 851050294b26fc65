//! Appending: records as they stand in the log, and the producers that bring them there.

mod dead_letters;
mod outlet;
mod recent;
mod records;

pub(crate) use dead_letters::{BadEvent, DeadLetters, Found};
pub(crate) use outlet::{Outlet, Pending};
pub(crate) use recent::Recent;
pub use records::{control_copy, fact_record, tick_record};
pub(crate) use records::{control_record, dead_letter_record};
