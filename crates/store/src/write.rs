//! Writing a save: all of it or nothing, and only by the partition's owner.

use crate::database::{Pool, SaveStore, in_transaction};
use crate::error::StoreError;
use crate::save::{Position, Segment, Tenure};
use crate::stored::{self, StoredPosition};

/// Compares the epoch and sets the position in one statement, which locks the row: a write and an acquisition can't
/// overlap. Touches nothing when the very same write is there already. Without a first segment afterwards, more was to be
/// kept than there is.
const ADVANCE: &str = "\
    UPDATE saves SET
        input_log_id = $4, next_offset = $5, outputs = $6, stamp = $7,
        first_segment = CASE
            WHEN $8 = 0 THEN last_segment + 1
            WHEN last_segment + 1 - $8 >= first_segment THEN last_segment + 1 - $8
        END,
        last_segment = last_segment + 1,
        saved_at_ms = (SELECT ms FROM clock)
    WHERE processor = $1 AND input_partition = $2 AND epoch = $3
        AND (next_offset IS DISTINCT FROM $5 OR stamp IS DISTINCT FROM $7)
    RETURNING first_segment, last_segment";

const CURRENT_EPOCH: &str = "SELECT epoch FROM saves WHERE processor = $1 AND input_partition = $2";

const ADD_PART: &str = "\
    INSERT INTO save_segments (processor, input_partition, number, part, parts, crc32, bytes)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const DROP_REPLACED: &str = "DELETE FROM save_segments WHERE processor = $1 AND input_partition = $2 AND number < $3";

impl SaveStore {
    /// Adds a segment to the partition's save and moves its position.
    ///
    /// After [`StoreError::Unavailable`] it isn't known whether it was written. The same write may then be repeated,
    /// before any other: if it was, nothing is written twice.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if another owner acquired the partition since, [`StoreError::Corrupt`] if segments are to be
    /// kept that aren't there, [`StoreError::Unavailable`].
    pub async fn write(&self, tenure: &Tenure, position: &Position, segment: Segment) -> Result<(), StoreError> {
        if let Pool::Memory(memory) = &self.pool {
            return memory.write(tenure, position, segment).await;
        }
        let (processor, partition) = (tenure.processor.as_str(), i64::from(tenure.partition));
        let outputs = stored::outputs(position);
        let moved_to = StoredPosition {
            input_log_id: &position.input_log_id,
            next_offset: position.next_offset.cast_signed(),
            outputs: &outputs,
        };
        let (parts, crc32) = stored::parts(&segment.bytes);
        let stamp = moved_to.stamp(segment.keep == 0, crc32);

        let what = format!("saving partition {partition} of {processor}");
        self.during(&what, async {
            in_transaction!(self, |transaction| {
                let advanced: Option<(Option<i64>, i64)> = sqlx::query_as(ADVANCE)
                    .bind(processor)
                    .bind(partition)
                    .bind(tenure.epoch)
                    .bind(moved_to.input_log_id)
                    .bind(moved_to.next_offset)
                    .bind(moved_to.outputs)
                    .bind(stamp)
                    .bind(segment.keep.cast_signed())
                    .fetch_optional(&mut *transaction)
                    .await?;
                match advanced {
                    Some((Some(first), number)) => {
                        for (part, (bytes, crc32)) in (0_i64..).zip(&parts) {
                            sqlx::query(ADD_PART)
                                .bind(processor)
                                .bind(partition)
                                .bind(number)
                                .bind(part)
                                .bind(parts.len() as i64)
                                .bind(crc32)
                                .bind(*bytes)
                                .execute(&mut *transaction)
                                .await?;
                        }
                        sqlx::query(DROP_REPLACED)
                            .bind(processor)
                            .bind(partition)
                            .bind(first)
                            .execute(&mut *transaction)
                            .await?;
                    }
                    Some((None, _)) => {
                        let reason = "segments were to be kept that are not there";
                        return Err(StoreError::corrupt(processor, tenure.partition, reason).into());
                    }
                    None => {
                        let current: Option<i64> = sqlx::query_scalar(CURRENT_EPOCH)
                            .bind(processor)
                            .bind(partition)
                            .fetch_optional(&mut *transaction)
                            .await?;
                        if current != Some(tenure.epoch) {
                            return Err(StoreError::fenced(tenure, current.unwrap_or(0)).into());
                        }
                    }
                }
            })
        })
        .await
    }
}
