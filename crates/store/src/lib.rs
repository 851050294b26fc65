//! SQL: where partitions keep their saves, on PostgreSQL in production and SQLite embedded.
//!
//! A *save* is the state of one processor after one partition's offset, packed: segments, of which a later one
//! replaces what it holds of the earlier ones, and the position it stands for, written in one transaction. An *epoch*
//! fences it: whoever acquires the partition raises the epoch, and a write under an older one fails with
//! [`StoreError::Fenced`].
//!
//! A *place* is where a consumer stands in a partition. It moves in the transaction that stores what the consumer did, if
//! it is where the consumer left it; else it fails with [`StoreError::Overtaken`]. The ledger of deliveries and the read
//! model are written that way.
#![forbid(unsafe_code)]

mod acquire;
mod api_keys;
mod connect;
mod database;
mod deliveries;
mod error;
mod memory;
mod place;
mod positions;
pub mod read_model;
mod save;
mod stored;
mod write;

pub use api_keys::{ApiKey, SecretHash, StoredApiKey};
pub use database::SaveStore;
pub use deliveries::{DeliveryFilter, DueDelivery, LedgerEntry, NewDelivery, Notices, Outcome};
pub use error::StoreError;
pub use memory::{Interference, MemoryStore, Move, StoreCall};
pub use place::{Place, Step};
pub use positions::Standing;
pub use save::{OutputEnd, Position, Save, Segment, Tenure};
