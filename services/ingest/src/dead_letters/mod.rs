//! The doors for dead letters: rows that gave no event come in as such, and those that were dealt with are noted.

mod resolving;
mod unreadable;

pub(crate) use resolving::{dismiss, resolve};
pub(crate) use unreadable::post_unreadable;
