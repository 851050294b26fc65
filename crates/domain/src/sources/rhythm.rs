//! The rhythm of one source: how often it sends, and how long it usually pauses.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, Millis};

/// So many boundaries with facts …
const LEAST_BOUNDARIES: u64 = 20;
/// … over so long make a source that usually sends.
const LEAST_SPAN_MS: Millis = 14 * DAY_MS;
/// Pauses that ended longer ago are forgotten.
const MEMORY_MS: Millis = 365 * DAY_MS;
/// So many outages within the memory are exceptions; another is the rhythm.
const EXCEPTIONS: usize = 2;
/// Outages remembered at most.
const MOST_OUTAGES: usize = 16;

/// When a source sent. Instants are boundaries: a fact counts at the first that reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rhythm {
    first: Millis,
    pub(super) last: Millis,
    boundaries: u64,
    /// Of the ordinary pauses, those that a later one hasn't reached: falling, so the longest stands first.
    pauses: VecDeque<Pause>,
    /// Pauses in which it was found quiet. They aren't its rhythm, or the next outage would be found late, unless they
    /// keep coming.
    outages: VecDeque<Pause>,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Pause {
    end: Millis,
    length: Millis,
}

/// How a source is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// As ever.
    Sending,
    /// It was found quiet at that boundary.
    Quiet { found: Millis },
    /// It was quiet after `last_seen`, and sends again since then.
    Returning { last_seen: Millis, since: Millis },
}

impl Rhythm {
    /// That of a source that was never heard before.
    pub(super) fn begin(boundary: Millis) -> Self {
        Self {
            first: boundary,
            last: boundary,
            boundaries: 1,
            pauses: VecDeque::new(),
            outages: VecDeque::new(),
            state: State::Sending,
        }
    }

    /// It sent. A pause lasts from the later of its last facts and `watched_since`: before, nobody could have heard it.
    pub(super) fn sent(&mut self, boundary: Millis, watched_since: Option<Millis>) {
        let from = watched_since.map_or(self.last, |since| self.last.max(since));
        let pause = Pause { end: boundary, length: boundary - from };
        if let State::Quiet { .. } = self.state {
            self.state = State::Returning { last_seen: self.last, since: boundary };
            self.outages.push_back(pause);
            if self.outages.len() > MOST_OUTAGES {
                self.outages.pop_front();
            }
        } else {
            while self.pauses.back().is_some_and(|known| known.length <= pause.length) {
                self.pauses.pop_back();
            }
            self.pauses.push_back(pause);
        }
        for pauses in [&mut self.pauses, &mut self.outages] {
            while pauses.front().is_some_and(|pause| is_old(pause, boundary)) {
                pauses.pop_front();
            }
        }
        self.last = boundary;
        self.boundaries += 1;
    }

    /// Whether it usually sends.
    pub(super) fn is_usual(&self) -> bool {
        self.boundaries >= LEAST_BOUNDARIES && self.last - self.first >= LEAST_SPAN_MS
    }

    /// The longest pause of its rhythm.
    pub(super) fn longest_pause(&self, now: Millis) -> Millis {
        let recent = |pause: &&Pause| !is_old(pause, now);
        let ordinary = self.pauses.iter().find(recent).map_or(0, |pause| pause.length);
        let mut outages: Vec<Millis> = self.outages.iter().filter(recent).map(|pause| pause.length).collect();
        outages.sort_unstable_by(|a, b| b.cmp(a));
        ordinary.max(outages.get(EXCEPTIONS).copied().unwrap_or(0))
    }

    /// Whether it was last heard so long ago that nothing is known of its rhythm any more.
    pub(super) fn is_forgotten(&self, now: Millis) -> bool {
        self.state == State::Sending && now - self.last > MEMORY_MS
    }
}

fn is_old(pause: &Pause, now: Millis) -> bool {
    now - pause.end > MEMORY_MS
}
