//! Sources: which usually send, and which have gone quiet beyond what their own rhythm explains.
//!
//! Judged by what the partitions report at each boundary, in the log: nobody looks at a clock. Only live boundaries
//! judge, those of history teach.

mod rhythm;

use std::collections::{BTreeMap, BTreeSet};

use rhythm::{Rhythm, State};
use serde::{Deserialize, Serialize};
use tiermesh_proto::v1::{SourceBack, SourceQuiet, control::Control};

use crate::time::{DAY_MS, Millis};

/// So many sources are watched, and counted by a partition between two summaries. What is beyond isn't watched.
pub const MOST_SOURCES: usize = 1_000;

const HOUR_MS: Millis = 3_600_000;
/// No pause up to this is ever too long.
const LEAST_LIMIT_MS: Millis = HOUR_MS;
/// What a quiet source kept back has so long to come in, once it sends again.
const SETTLING_MS: Millis = HOUR_MS;
/// Boundaries further apart say that time itself stood still: such a gap is nobody's pause.
const LONGEST_STEP_MS: Millis = HOUR_MS;
/// A source that stays away for longer, and for longer than four times its longest pause, is given up.
const LEAST_WAIT_MS: Millis = 90 * DAY_MS;

/// What one boundary tells of all partitions together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) sources: BTreeSet<String>,
    pub(crate) live: bool,
    /// Some partition had more sources than it could name: who isn't named may have sent.
    pub(crate) full: bool,
}

/// All sources that were heard within the memory of a rhythm.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Sources {
    rhythms: BTreeMap<String, Rhythm>,
    watch: Option<Watch>,
}

/// Since when sources are watched.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Watch {
    /// The first live boundary.
    live_since: Millis,
    /// The first boundary after time last stood still.
    since: Millis,
    last: Millis,
}

impl Sources {
    /// Takes in a boundary that is complete; tells who went quiet and who is back, by source.
    pub(crate) fn complete(&mut self, boundary: Millis, heard: &Heard) -> Vec<Control> {
        if heard.live {
            self.watch = Some(match self.watch {
                None => Watch { live_since: boundary, since: boundary, last: boundary },
                Some(watch) if boundary - watch.last > LONGEST_STEP_MS => {
                    Watch { since: boundary, last: boundary, ..watch }
                }
                Some(watch) => Watch { last: boundary, ..watch },
            });
        }
        let watched_since = self.watch.map(|watch| watch.since);
        for source in &heard.sources {
            if let Some(rhythm) = self.rhythms.get_mut(source) {
                rhythm.sent(boundary, watched_since);
            } else if self.rhythms.len() < MOST_SOURCES {
                self.rhythms.insert(source.clone(), Rhythm::begin(boundary));
            }
        }
        self.rhythms.retain(|_, rhythm| !rhythm.is_forgotten(boundary));
        match self.watch {
            Some(watch) if heard.live => self.judge(boundary, watch, heard.full),
            _ => Vec::new(),
        }
    }

    fn judge(&mut self, boundary: Millis, watch: Watch, full: bool) -> Vec<Control> {
        let mut said = Vec::new();
        let mut given_up = Vec::new();
        for (source, rhythm) in &mut self.rhythms {
            let longest_pause_ms = rhythm.longest_pause(boundary);
            let back = |last_seen, given_up| {
                Control::SourceBack(SourceBack {
                    source: source.clone(),
                    as_of_ms: boundary,
                    quiet_since_ms: last_seen,
                    given_up,
                })
            };
            match rhythm.state {
                State::Sending => {
                    // Half as long again: beyond that no pause was ever seen, and a rhythm may waver that much.
                    let limit = (longest_pause_ms + longest_pause_ms / 2).max(LEAST_LIMIT_MS);
                    // What had ended before the mesh was live doesn't end now.
                    let was_there = rhythm.last + limit >= watch.live_since;
                    let pause = boundary - rhythm.last.max(watch.since);
                    if !full && rhythm.is_usual() && was_there && pause > limit {
                        rhythm.state = State::Quiet { found: boundary };
                        said.push(Control::SourceQuiet(SourceQuiet {
                            source: source.clone(),
                            as_of_ms: boundary,
                            last_seen_ms: rhythm.last,
                            longest_pause_ms,
                        }));
                    }
                }
                State::Quiet { found } => {
                    if boundary - found > (4 * longest_pause_ms).max(LEAST_WAIT_MS) {
                        said.push(back(rhythm.last, true));
                        given_up.push(source.clone());
                    }
                }
                State::Returning { last_seen, since } => {
                    if boundary - since >= SETTLING_MS {
                        rhythm.state = State::Sending;
                        said.push(back(last_seen, false));
                    }
                }
            }
        }
        for source in given_up {
            self.rhythms.remove(&source);
        }
        said
    }
}

#[cfg(test)]
mod tests;
