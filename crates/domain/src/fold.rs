//! What a processor is: a pure function of a record and its state, giving effects.

use serde::{Serialize, de::DeserializeOwned};
use tiermesh_proto::v1::{Control, DeadLetter, LossSignal, Origin, Summary, TierChange, control};

/// What a fold says. Plain data: only the runtime acts on it.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A customer's tier changed.
    TierChanged(Box<TierChange>),
    /// A loss signal was raised, updated, cleared.
    SignalChanged(Box<LossSignal>),
    /// What this partition knows of the ranked metrics, at a boundary.
    Summary(Summary),
    /// What changes how facts count from here on: cut-points, sources that went quiet or came back.
    Control(Control),
    /// A fact that contradicts one known by the same name.
    Conflict(Box<DeadLetter>),
}

impl Effect {
    /// The order in which a record's effects are numbered: (customer, programme, policy, kind).
    pub fn canonical_key(&self) -> (&str, &str, &str, u8) {
        match self {
            Self::TierChanged(change) => (&change.customer, &change.programme, &change.policy, 0),
            Self::SignalChanged(signal) => (&signal.customer, "", &signal.detector, 1),
            Self::Summary(_) => ("", "", "", 2),
            Self::Control(control) => match &control.control {
                Some(control::Control::CutPoints(cut_points)) => ("", "", &cut_points.policy, 3),
                Some(control::Control::SourceQuiet(quiet)) => ("", "", &quiet.source, 5),
                Some(control::Control::SourceBack(back)) => ("", "", &back.source, 5),
                _ => ("", "", "", 3),
            },
            Self::Conflict(letter) => (&letter.subject, "", &letter.id, 4),
        }
    }

    /// Numbers the effect.
    pub fn set_origin(&mut self, origin: Origin) {
        let slot = match self {
            Self::TierChanged(change) => &mut change.origin,
            Self::SignalChanged(signal) => &mut signal.origin,
            Self::Summary(summary) => &mut summary.origin,
            Self::Control(control) => &mut control.origin,
            Self::Conflict(letter) => &mut letter.origin,
        };
        *slot = Some(origin);
    }
}

/// Why a fold can't go on. Nothing of this can be caused by an event that ingest accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The log asks for a way of folding that this release doesn't have.
    #[error("the log has logic {wanted} activated; this release folds logic {known:?}: upgrade it")]
    UnknownLogic {
        /// Activated.
        wanted: u32,
        /// Supported.
        known: Vec<u32>,
    },
    /// The log holds an event of a type that this release doesn't have.
    #[error(transparent)]
    UnknownFact(#[from] crate::fact::UnknownFact),
    /// An activated policy can't be read by this release.
    #[error("the log has a policy activated that this release can't read ({0}): upgrade it")]
    Policy(#[from] crate::policy::PolicyError),
    /// An output that others depend on is missing from the log.
    #[error("source partition {partition}: sequence {found} follows {after}: records are missing")]
    Gap {
        /// The source partition.
        partition: u32,
        /// The mark.
        after: u64,
        /// What came.
        found: u64,
    },
    /// What was read is not what was written.
    #[error("corrupt: {0}")]
    Corrupt(String),
}

impl FoldError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }
}

/// A part of a save.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// What is kept.
    pub bytes: Vec<u8>,
    /// True: with this segment everything has been packed since the round began, so that segments from before aren't
    /// needed any more; the next begins a new round.
    pub round_complete: bool,
}

/// Of how many records at a time a fold is told whom they are about: what is known of so many customers has room in a
/// processor's cache.
pub const AHEAD: usize = 32;

/// A deterministic fold of one partition.
pub trait Fold: Send + Sized + 'static {
    /// What stands in the partition.
    type Input: prost::Message + Default;

    /// Takes in one record and adds what it leads to.
    ///
    /// # Errors
    /// [`FoldError`]: stop, the state is of no more use.
    fn apply(&mut self, input: &Self::Input, effects: &mut Vec<Effect>) -> Result<(), FoldError>;

    /// Takes in a record as it stands in the log, as [`Self::apply`] would what it holds; `None`: it has to be decoded.
    ///
    /// # Errors
    /// As [`Self::apply`].
    fn apply_encoded(&mut self, _record: &[u8], _effects: &mut Vec<Effect>) -> Option<Result<(), FoldError>> {
        None
    }

    /// Told whom records that follow soon are about, [`AHEAD`] at a time, so that what is known of them is near
    /// by then. Changes nothing.
    fn look_ahead<'a>(&self, _subjects: impl Iterator<Item = &'a str>) {}

    /// All of the state, packed. Ends the round of deltas, and the next begins with it.
    fn snapshot(&mut self) -> Vec<u8>;

    /// What changed since the last snapshot or delta, and in turn some of what didn't, packed.
    fn delta(&mut self) -> Packed;

    /// Takes over the state of a save: its segments in the order they were made, from the beginning of a round on.
    /// Called on the initial state, before any record.
    ///
    /// # Errors
    /// [`FoldError::Corrupt`] if they can't be read.
    fn load(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError>;
}

/// Packs plain data.
pub(crate) fn pack<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value)
        .expect("every sequence that is packed knows its length, and there is nowhere to write but memory")
}

/// Unpacks what [`pack`] made.
pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FoldError> {
    postcard::from_bytes(bytes).map_err(|error| FoldError::corrupt(format!("saved state: {error}")))
}
