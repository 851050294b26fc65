//! The console's read model: rows for people to ask for, made of topics only.
//!
//! A batch's rows and the consumer's place go in with one transaction, so that each record counts once; and since nothing
//! else makes a row, all of them can be dropped and built again while everything runs. It keeps messages as they
//! came, and must never know what one means.

mod apply;
mod customers;
mod dead_letters;
mod feed;
mod lists;
mod rebuild;
mod rows;
mod statement;
mod status;
mod timeline;

pub use customers::{CustomerFilter, CustomerRow, HeldTier};
pub use feed::FeedRow;
pub use lists::{Listed, SignalFilter};
pub use rows::{CardUpdate, ChangeRow, DeadLetterRow, DeliveryRow, DocumentRow, FactRow, Refused, Rows, SignalRow};
pub use status::{Standing as ModelStanding, TierCount};
pub use timeline::{Kind, Moment, TimelineRow};

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::database::{Pool, SaveStore};

/// The consumer that builds the read model; its places are kept under this name.
pub const READ_MODEL_CONSUMER: &str = "console";

/// The read model. Clones share their connections.
#[derive(Debug, Clone)]
pub struct ReadModel {
    store: SaveStore,
    /// Whoever asks doesn't wait for who writes.
    readers: SaveStore,
    /// One batch of this process at a time: they would queue in the database, and hold its connections there.
    turn: Arc<Mutex<()>>,
}

impl ReadModel {
    /// The read model in this store.
    pub fn new(store: SaveStore) -> Self {
        Self { readers: store.readers(), store, turn: Arc::default() }
    }

    /// Closes the connections that it reads by. Those of the store stay.
    pub async fn close(&self) {
        if let Pool::Sqlite(readers) = &self.readers.pool {
            readers.close().await;
        }
    }

    /// The store it is in.
    pub fn store(&self) -> &SaveStore {
        &self.store
    }
}
