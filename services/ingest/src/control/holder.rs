//! The way from the doors to whoever holds `control` in this process.

use std::{collections::VecDeque, time::Duration};

use tiermesh_domain::time::{Millis, Zone};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    session::{Day, Ended, Failure},
    standing::Mark,
};
use crate::answer::Denial;

/// How long is worth waiting for before the asker is sent elsewhere.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Whether this process holds `control`, and how to reach the holder then.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(super) holding: watch::Receiver<Option<Holding>>,
}

impl Holder {
    pub(crate) fn holding(&self) -> Option<Holding> {
        self.holding.borrow().clone()
    }

    /// Waits a moment for this process to hold: at a start, the door is open a little earlier.
    pub(crate) async fn holding_soon(&self) -> Option<Holding> {
        let mut holding = self.holding.clone();
        let held = timeout(A_MOMENT, holding.wait_for(Option::is_some)).await;
        held.ok()?.ok()?.clone()
    }
}

/// Reaches the holder.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    pub(super) commands: mpsc::Sender<Command>,
    /// Offset in `control` below which everything is copied to all partitions.
    pub(super) copied: watch::Receiver<u64>,
}

type Reply<T> = oneshot::Sender<Result<T, Denial>>;

/// What the holder can be asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// Make the mesh live. `explicit`: even if a silent history session is open.
    Live { explicit: bool, reply: Reply<()> },
    /// Open a history session. `resume`: the one that the asker had.
    OpenHistory { resume: Option<String>, reply: Reply<Opened> },
}

/// An open history session.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: String,
    pub(crate) resume_after: Option<Mark>,
    /// Time stands there: facts have to come after it.
    pub(crate) last_tick_ms: Option<Millis>,
    /// Whose midnights get ticks.
    pub(crate) zones: Vec<Zone>,
    /// Where its days go.
    pub(crate) steps: mpsc::Sender<Step>,
    /// Why it takes no more of them.
    pub(crate) failure: Failure,
}

/// What a history session does next, in this order.
#[derive(Debug)]
pub(crate) enum Step {
    /// Append facts, then a tick.
    Day(Day),
    /// Answer once all steps before are durable.
    Flush(Reply<()>),
    /// Close the session once all steps before are complete.
    End { live: bool, reply: Reply<Ended> },
}

/// Steps that a session may be ahead of the log.
pub(super) const STEPS_AHEAD: usize = 64;

/// Those who wait for an answer.
pub(super) type Waiting<T> = VecDeque<Reply<T>>;

impl Holding {
    /// Makes the mesh live; returns when every partition holds the record that says so.
    pub(crate) async fn live(&self, explicit: bool) -> Result<(), Denial> {
        self.ask(|reply| Command::Live { explicit, reply }).await
    }

    /// Opens the one history session.
    pub(crate) async fn open_history(&self, resume: Option<String>) -> Result<Opened, Denial> {
        self.ask(|reply| Command::OpenHistory { resume, reply }).await
    }

    /// Waits until the record at that offset of `control` is copied to all partitions.
    pub(crate) async fn copied(&self, number: u64) -> Result<(), Denial> {
        let mut copied = self.copied.clone();
        copied.wait_for(|copied| *copied > number).await.map(drop).map_err(|_| Denial::Interrupted)
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Denial> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Denial::Interrupted)?;
        answer.await.unwrap_or(Err(Denial::Interrupted))
    }
}
