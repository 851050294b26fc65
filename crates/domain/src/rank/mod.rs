//! Relative tiers: quantised values, histograms of them, and the cut-points they give.

mod coordinator;
mod cut_points;
mod members;
mod quantise;

pub use coordinator::Coordinator;
pub use cut_points::{Bucket, Demand, cut_points};
pub use members::{RankChanges, RankedMembers};
pub use quantise::quantise;
