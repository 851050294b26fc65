//! A history session as its holder sees it: days wait their turn, ticks wait for cut-points.

use std::sync::{Arc, OnceLock};

use tiermesh_domain::time::Millis;
use tiermesh_event_log::NewRecord;
use tokio::{sync::mpsc, time::Instant};

use super::{
    holder::{STEPS_AHEAD, Step},
    standing::Mark,
};
use crate::answer::Denial;

/// Facts of a history, and the tick behind them.
#[derive(Debug, Default)]
pub(crate) struct Day {
    /// In order, by partition.
    pub(crate) facts: Vec<Vec<NewRecord>>,
    /// Where the session stands once the tick is complete. `None`: the day goes on.
    pub(crate) mark: Option<Mark>,
}

/// What a session came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) last_tick_ms: Option<Millis>,
    pub(crate) live: bool,
}

/// Why a session takes no more steps; set before its channel closes.
pub(crate) type Failure = Arc<OnceLock<Denial>>;

/// The open session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) steps: mpsc::Receiver<Step>,
    pub(super) failure: Failure,
    /// The tick whose cut-points are awaited.
    pub(super) awaiting: Option<Awaiting>,
    pub(super) last_activity: Instant,
    /// Whoever wrote to it is gone; it stays open until it is taken over.
    pub(super) abandoned: bool,
}

/// A tick that is written, and not complete.
#[derive(Debug)]
pub(super) struct Awaiting {
    pub(super) mark: Mark,
    /// The relative policies that were in force at the tick and have no cut-points yet.
    pub(super) missing: Vec<(String, u32)>,
    pub(super) deadline: Instant,
}

impl Session {
    pub(super) fn open() -> (Self, mpsc::Sender<Step>, Failure) {
        let (sender, steps) = mpsc::channel(STEPS_AHEAD);
        let failure = Failure::default();
        let last_activity = Instant::now();
        let session = Self { steps, failure: Arc::clone(&failure), awaiting: None, last_activity, abandoned: false };
        (session, sender, failure)
    }

    /// Ends it; whoever still sends to it is told why.
    pub(super) fn fail(self, why: Denial) {
        let _ = self.failure.set(why);
    }
}
