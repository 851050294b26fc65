//! Where all partitions stand, for status displays.

use crate::database::{Pool, SaveStore, on_pool};
use crate::error::StoreError;
use crate::save::Position;
use crate::stored::StoredPosition;

const POSITIONS: &str = "\
    SELECT processor, input_partition, epoch, input_log_id, next_offset, outputs, saved_at_ms FROM saves
    WHERE saved_at_ms IS NOT NULL ORDER BY processor, input_partition";

/// Where one partition of one processor stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The processor.
    pub processor: String,
    /// Its input partition.
    pub partition: u32,
    /// The epoch in force, which may be that of a later owner than the save's.
    pub epoch: i64,
    /// What the save stands for.
    pub position: Position,
    /// When it was written, by the database's clock.
    pub saved_at_ms: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    processor: String,
    input_partition: i64,
    epoch: i64,
    input_log_id: String,
    next_offset: i64,
    outputs: String,
    saved_at_ms: i64,
}

impl SaveStore {
    /// Where every partition stands that has a save, by processor and partition.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn positions(&self) -> Result<Vec<Standing>, StoreError> {
        if let Pool::Memory(memory) = &self.pool {
            return memory.positions().await;
        }
        let rows: Vec<Row> = self
            .during("reading positions", async {
                Ok(on_pool!(self, |pool| sqlx::query_as(POSITIONS).fetch_all(pool).await?))
            })
            .await?;
        rows.into_iter().map(standing).collect()
    }
}

fn standing(row: Row) -> Result<Standing, StoreError> {
    let partition = u32::try_from(row.input_partition).map_err(|_| {
        StoreError::corrupt(&row.processor, u32::MAX, format!("{} is not a partition", row.input_partition))
    })?;
    let stored =
        StoredPosition { input_log_id: &row.input_log_id, next_offset: row.next_offset, outputs: &row.outputs };
    let position = stored.read().map_err(|reason| StoreError::corrupt(&row.processor, partition, reason))?;
    Ok(Standing { processor: row.processor, partition, epoch: row.epoch, position, saved_at_ms: row.saved_at_ms })
}
