//! A save, what it stands for, and the right to write one.

use serde::{Deserialize, Serialize};

/// Where a processor stands in one output partition when a save is written.
///
/// Kept as JSON: the names of the fields are part of the stored form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputEnd {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Identity of that partition's log.
    pub log_id: String,
    /// All outputs of the save lie below this offset; the tail read begins here.
    pub end: u64,
}

/// What a save stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Identity of the input partition's log.
    pub input_log_id: String,
    /// Offset of the next record to fold: state is after all below it.
    pub next_offset: u64,
    /// Where the outputs ended.
    pub outputs: Vec<OutputEnd>,
}

/// Packed state to add to a save: a later segment's content replaces an earlier one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The state, or a part of it.
    pub bytes: Vec<u8>,
    /// How many of the newest segments before it are still needed; older ones are deleted with its writing. 0: it holds
    /// everything.
    pub keep: u64,
}

/// A save as loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// What it stands for.
    pub position: Position,
    /// In the order they were written; together they are the state.
    pub segments: Vec<Vec<u8>>,
}

/// The right to write saves of one partition of one processor, until another acquires it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenure {
    /// The processor, `scoring` or the like.
    pub processor: String,
    /// The input partition.
    pub partition: u32,
    /// The fence.
    pub epoch: i64,
}
