//! SQL: where partitions keep their saves, on PostgreSQL in production and SQLite embedded.
//!
//! A *save* is the state of one processor after one partition's offset, packed: a snapshot and the deltas since, with
//! the position it stands for, written in one transaction. An *epoch* fences it: whoever acquires the partition raises
//! the epoch, and a write under an older one fails with [`StoreError::Fenced`].
#![forbid(unsafe_code)]

mod acquire;
mod connect;
mod database;
mod error;
mod positions;
mod save;
mod stored;
mod write;

pub use database::SaveStore;
pub use error::StoreError;
pub use positions::Standing;
pub use save::{OutputEnd, Position, Save, Segment, Tenure};
