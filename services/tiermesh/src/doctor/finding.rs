//! What was looked at, how it is, and what to do about it.

use serde::Serialize;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Well,
    /// Worth knowing; nothing is wrong.
    Note,
    /// Somebody has to do something.
    Wrong,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) area: &'static str,
    pub(super) state: State,
    pub(super) what: String,
    /// What to do; empty where nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) remedy: String,
}

impl Finding {
    pub(super) fn well(area: &'static str, what: impl Into<String>) -> Self {
        Self { area, state: State::Well, what: what.into(), remedy: String::new() }
    }

    pub(super) fn note(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, state: State::Note, what: what.into(), remedy: remedy.into() }
    }

    pub(super) fn wrong(area: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { area, state: State::Wrong, what: what.into(), remedy: remedy.into() }
    }
}
