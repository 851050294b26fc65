//! Routes: who wants to hear of what, and where.

mod raw;
mod read;
mod secrets;

use std::{fmt, path::Path, time::Duration};

use standardwebhooks::Webhook;

use crate::news::{Direction, News, Severity};

/// Without a routes file.
const BUILT_IN: &str = include_str!("built-in.toml");

/// All routes of a file.
#[derive(Debug)]
pub struct Routes {
    /// In the order of the file.
    pub(crate) all: Vec<Route>,
    /// What happened longer ago when it is first seen is told to nobody.
    pub(crate) stale_after: Duration,
}

/// One route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) wants: Wants,
    /// At least so grave.
    pub(crate) severity: Severity,
    /// Also what happened before the mesh went live.
    pub(crate) history: bool,
    pub(crate) channel: Channel,
}

/// Of what a route wants to hear. Empty lists leave nothing out.
#[derive(Debug)]
pub(crate) enum Wants {
    TierChanges { under: Under, direction: Option<Direction> },
    Signals { under: Under, detectors: Vec<String>, states: Vec<String> },
    Operations,
}

/// Tiers, by their policies and programmes.
#[derive(Debug, Default)]
pub(crate) struct Under {
    pub(crate) programmes: Vec<String>,
    pub(crate) policies: Vec<String>,
    pub(crate) tiers: Vec<String>,
}

/// Where a route leads.
pub(crate) enum Channel {
    /// A line on the process's log.
    Log,
    /// A signed request.
    Webhook { url: reqwest::Url, signers: Vec<Webhook> },
}

/// What is wrong with a routes file.
#[derive(Debug, thiserror::Error)]
pub enum RoutesError {
    /// The file can't be read.
    #[error("routes file {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Something is wrong in it.
    #[error("routes file {path}, line {line}, column {column}: {message}")]
    Wrong {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong, and what is allowed.
        message: String,
    },
}

impl Routes {
    /// Reads a routes file, and the secrets that it names.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, RoutesError> {
        let named = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| RoutesError::Unreadable { path: named(), error })?;
        read::read(&text, &secrets::Surroundings::of_process()).map_err(|wrong| RoutesError::Wrong {
            path: named(),
            line: wrong.line,
            column: wrong.column,
            message: wrong.message,
        })
    }

    /// What is told without a routes file: loss signals and messages to operations, to the process's log.
    pub fn built_in() -> Self {
        read::read(BUILT_IN, &secrets::Surroundings::none()).expect("a test reads the built-in routes")
    }
}

impl Route {
    /// Whether this route wants to hear it.
    pub(crate) fn wants(&self, news: &News) -> bool {
        if news.severity() < self.severity || (news.is_history() && !self.history) {
            return false;
        }
        match (&self.wants, news) {
            (Wants::TierChanges { under, direction }, News::Change(change)) => {
                let went = Direction::of(change);
                let is_right_way = match direction {
                    Some(wanted) => *wanted == went,
                    // Everybody's first tier is no news, unless somebody asks for it.
                    None => went != Direction::First,
                };
                let mut tiers = [change.from.as_deref(), Some(change.to.as_str())].into_iter().flatten();
                is_right_way && tiers.any(|tier| under.covers(&change.programme, &change.policy, tier))
            }
            (Wants::Signals { under, detectors, states }, News::Signal(signal)) => {
                let mut standing = signal.tiers.iter();
                lists(detectors, &signal.detector)
                    && lists(states, &signal.state)
                    && (under.is_empty() || standing.any(|at| under.covers(&at.programme, &at.policy, &at.tier)))
            }
            (Wants::Operations, News::Quiet(_) | News::Back(_)) => true,
            _ => false,
        }
    }

    /// Where to, without secrets: the path of an address is often one.
    pub(crate) fn target(&self) -> String {
        match &self.channel {
            Channel::Log => "log".to_owned(),
            Channel::Webhook { url, .. } => url.origin().ascii_serialization(),
        }
    }
}

impl Under {
    fn covers(&self, programme: &str, policy: &str, tier: &str) -> bool {
        lists(&self.programmes, programme) && lists(&self.policies, policy) && lists(&self.tiers, tier)
    }

    fn is_empty(&self) -> bool {
        self.programmes.is_empty() && self.policies.is_empty() && self.tiers.is_empty()
    }
}

/// Whether a list names it, or leaves nothing out.
fn lists(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|listed| listed == name)
}

impl Channel {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Webhook { .. } => "webhook",
        }
    }
}

/// Without the address's path and the secrets.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str("Log"),
            Self::Webhook { url, signers } => {
                write!(f, "Webhook({}, {} secrets)", url.origin().ascii_serialization(), signers.len())
            }
        }
    }
}

#[cfg(test)]
mod tests;
