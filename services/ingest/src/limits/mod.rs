//! Limits of what is taken at once: by rate, and by what fits into memory.

mod admission;
mod rate;

pub(crate) use admission::{Admission, Held};
pub use rate::RateLimit;
pub(crate) use rate::RateLimits;
