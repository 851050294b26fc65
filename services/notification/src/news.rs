//! News: what a record has to tell people, and how grave it is.

use tiermesh_domain::time::Millis;
use tiermesh_event_log::{
    LogError, Record,
    topics::{CHURN_SIGNALS, CONTROL, TIER_CHANGES},
};
use tiermesh_proto::v1::{LossSignal, SourceBack, SourceQuiet, TierChange, control::Control};

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Info,
    Warning,
    Critical,
}

/// Which way a tier changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    First,
    Up,
    Down,
    /// Where a policy's tiers aren't ranked.
    Other,
}

/// What a record has to tell.
#[derive(Debug)]
pub(crate) enum News {
    Change(TierChange),
    Signal(LossSignal),
    Quiet(SourceQuiet),
    Back(SourceBack),
}

impl Severity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Direction {
    pub(crate) fn of(change: &TierChange) -> Self {
        match change.direction.as_str() {
            "first" => Self::First,
            "up" => Self::Up,
            "down" => Self::Down,
            _ => Self::Other,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Up => "up",
            Self::Down => "down",
            Self::Other => "other",
        }
    }
}

impl News {
    /// What a record of a topic has to tell; `None` if nothing. That a signal merely has other figures is nothing.
    ///
    /// # Errors
    /// The record can't be read.
    pub(crate) fn of(topic: &str, record: &Record) -> Result<Option<Self>, LogError> {
        Ok(match topic {
            topic if topic == TIER_CHANGES.name => Some(Self::Change(TIER_CHANGES.decode(record)?)),
            topic if topic == CHURN_SIGNALS.name => {
                Some(CHURN_SIGNALS.decode(record)?).filter(|signal| signal.state != "updated").map(Self::Signal)
            }
            _ => match CONTROL.decode(record)?.control {
                Some(Control::SourceQuiet(quiet)) => Some(Self::Quiet(quiet)),
                Some(Control::SourceBack(back)) => Some(Self::Back(back)),
                _ => None,
            },
        })
    }

    /// The type of the message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Change(_) => "tiermesh.tier.changed",
            Self::Signal(_) => "tiermesh.churn.signal",
            Self::Quiet(_) => "tiermesh.source.quiet",
            Self::Back(_) => "tiermesh.source.back",
        }
    }

    /// Whom it is about; empty for messages to operations.
    pub(crate) fn customer(&self) -> &str {
        match self {
            Self::Change(change) => &change.customer,
            Self::Signal(signal) => &signal.customer,
            Self::Quiet(_) | Self::Back(_) => "",
        }
    }

    /// When it happened.
    pub(crate) fn at(&self) -> Millis {
        match self {
            Self::Change(change) => change.at_ms,
            Self::Signal(signal) => signal.at_ms,
            Self::Quiet(quiet) => quiet.as_of_ms,
            Self::Back(back) => back.as_of_ms,
        }
    }

    /// Whether it happened before the mesh went live.
    pub(crate) fn is_history(&self) -> bool {
        match self {
            Self::Change(change) => change.history,
            Self::Signal(signal) => signal.history,
            Self::Quiet(_) | Self::Back(_) => false,
        }
    }

    pub(crate) fn severity(&self) -> Severity {
        match self {
            Self::Change(change) if Direction::of(change) == Direction::Down => Severity::Warning,
            Self::Signal(signal) if signal.state == "raised" => Severity::Warning,
            Self::Signal(signal) if signal.state == "lost" => Severity::Critical,
            Self::Quiet(_) => Severity::Critical,
            Self::Back(back) if back.given_up => Severity::Warning,
            Self::Change(_) | Self::Signal(_) | Self::Back(_) => Severity::Info,
        }
    }
}
