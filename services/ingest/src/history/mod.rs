//! History: facts of the past enter a mesh that isn't live yet, in the total order, a tick behind each day.

mod assembler;
mod requests;

pub(crate) use requests::{Sessions, end, events, leave, open};
