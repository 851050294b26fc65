//! Control: what stands in `control`, and the one instance that copies it to every partition, writes ticks and loads
//! history.

mod broadcast;
mod holder;
mod keeper;
mod session;
mod standing;
mod tenure;
mod tenure_history;
mod ticking;
mod view;

pub(crate) use holder::{Holder, Opened, Step};
pub(crate) use keeper::Keeper;
pub(crate) use session::Day;
pub(crate) use standing::{Active, Mark};
pub(crate) use tenure::Context;
pub(crate) use view::{ControlView, follow};
