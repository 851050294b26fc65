//! Relative tiers: quantised values, histograms of them, and the cut-points they give.

mod coordinator;
mod cut_points;
mod histogram;
mod members;
mod quantise;

pub use coordinator::Coordinator;
pub use cut_points::{Demand, cut_points};
pub use histogram::{Bucket, Histogram};
pub use members::RankedMembers;
pub use quantise::quantise;
