//! A loss signal while it lasts, and what is told of it.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// A signal that is raised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Raised {
    /// Since when.
    pub since: Millis,
    /// What was seen when it was last told.
    pub observed: i64,
    /// What was expected when it was raised.
    pub expected: f64,
    /// Over how many days, where the detector has a window.
    pub window_days: Option<u32>,
    /// Counting orders of the baseline, and the exposure in milliseconds: `expected`, exactly.
    pub baseline: i64,
    /// See `baseline`.
    pub exposure_ms: i64,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalState {
    /// It is new.
    Raised,
    /// It lasts, with other figures.
    Updated,
    /// What it spoke of is over.
    Cleared,
    /// The customer is lost.
    Lost,
}

impl SignalState {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Updated => "updated",
            Self::Cleared => "cleared",
            Self::Lost => "lost",
        }
    }
}

/// What a detector says after a look.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) state: SignalState,
    pub(super) observed: i64,
    pub(super) expected: f64,
    pub(super) window_days: Option<u32>,
    pub(super) p: Option<f64>,
    pub(super) reason: String,
    /// The signal from now on.
    pub(super) raised: Option<Raised>,
}
