//! The gate that every call of a process to the log and the store has to pass: where it dies, freezes, or meets a store
//! that fails.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tiermesh_store::{Interference, StoreCall, StoreError};
use tokio::sync::Notify;

use crate::operation::Call;

/// What is to happen at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Die,
    Freeze,
    /// Of a call to the store: an error in place of the answer.
    Error,
}

/// One process's gate.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    thawed: Notify,
}

#[derive(Debug, Default)]
struct State {
    armed: Vec<Armed>,
    dead: bool,
    frozen: bool,
    away: bool,
    slow: Duration,
    met: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Armed {
    fate: Fate,
    call: Call,
    /// How many such calls it still lets pass.
    left: u8,
    after: bool,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is to happen at the n-th such call from here on.
    pub(crate) fn arm(&self, fate: Fate, call: Call, nth: u8, after: bool) {
        self.state().armed.push(Armed { fate, call, left: nth.max(1) - 1, after });
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.state().frozen
    }

    pub(crate) fn thaw(&self) {
        self.state().frozen = false;
        self.thawed.notify_waiters();
    }

    /// Nothing will happen at any call from here on.
    pub(crate) fn disarm(&self) {
        let mut state = self.state();
        state.armed.clear();
        (state.away, state.slow) = (false, Duration::ZERO);
    }

    pub(crate) fn slow(&self, answer_after: Duration) {
        self.state().slow = answer_after;
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.state().away = away;
    }

    /// What was met since the last asking.
    pub(crate) fn take_met(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.state().met)
    }

    /// Lets a call pass, of all of these kinds, or lets its fate come over it. True: it is to fail.
    pub(crate) async fn pass(&self, kinds: &[Call], after: bool) -> bool {
        let mut fails = false;
        if let Some(fate) = self.state().fate(kinds, after) {
            fails = fate == Fate::Error;
        }
        loop {
            let thawed = self.thawed.notified();
            let (dead, frozen) = {
                let state = self.state();
                (state.dead, state.frozen)
            };
            if dead {
                std::future::pending::<()>().await;
            }
            if !frozen {
                return fails;
            }
            thawed.await;
        }
    }
}

impl State {
    fn fate(&mut self, kinds: &[Call], after: bool) -> Option<Fate> {
        if self.dead || self.frozen {
            return None;
        }
        let mut fate = None;
        self.armed.retain_mut(|armed| {
            let meets = armed.after == after && (armed.call == Call::Any || kinds.contains(&armed.call));
            if fate.is_some() || !meets {
                return true;
            }
            let is_due = armed.left == 0;
            armed.left = armed.left.saturating_sub(1);
            fate = is_due.then_some(armed.fate);
            !is_due
        });
        let fate = fate?;
        self.dead |= fate == Fate::Die;
        self.frozen |= fate == Fate::Freeze;
        *self.met.entry(name(fate, kinds, after)).or_default() += 1;
        Some(fate)
    }
}

/// What is counted.
fn name(fate: Fate, kinds: &[Call], after: bool) -> &'static str {
    match (fate, after) {
        (Fate::Die | Fate::Freeze, _) if kinds.contains(&Call::Broadcast) => "broadcast left half-written",
        (Fate::Die, true) if kinds.contains(&Call::Do) => "consumer died between doing and noting",
        (Fate::Die, true) if kinds.contains(&Call::Save) => "died behind a save, unheard",
        (Fate::Die, false) if kinds.contains(&Call::Save) => "died before a save",
        (Fate::Die, _) if kinds.contains(&Call::Send) => "died at sending",
        (Fate::Die, _) if kinds.contains(&Call::Acquire) => "died at a take-over",
        (Fate::Die, _) => "died at another call",
        (Fate::Freeze, _) if kinds.contains(&Call::Save) => "froze at a save",
        (Fate::Freeze, _) if kinds.contains(&Call::Send) => "froze at sending",
        (Fate::Freeze, _) => "froze at another call",
        (Fate::Error, false) => "store call failed before it took effect",
        (Fate::Error, true) => "store call took effect, and its answer was lost",
    }
}

fn kind_of(call: StoreCall) -> &'static [Call] {
    match call {
        StoreCall::Acquire => &[Call::Acquire],
        StoreCall::Write => &[Call::Save],
        StoreCall::Advance => &[Call::Note],
        StoreCall::Place | StoreCall::Look => &[],
    }
}

#[async_trait]
impl Interference for Gate {
    async fn before(&self, call: StoreCall) -> Result<(), StoreError> {
        let (fails, slow, away) = {
            let fails = self.pass(kind_of(call), false).await;
            let mut state = self.state();
            if state.away {
                *state.met.entry("store away").or_default() += 1;
            }
            if !state.slow.is_zero() {
                *state.met.entry("store slow").or_default() += 1;
            }
            (fails, state.slow, state.away)
        };
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        if fails || away { Err(unavailable("nothing was written")) } else { Ok(()) }
    }

    async fn after(&self, call: StoreCall) -> Result<(), StoreError> {
        if self.pass(kind_of(call), true).await { Err(unavailable("the answer was lost")) } else { Ok(()) }
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(format!("made to fail: {why}"))
}
