//! Taking a partition over: the epoch rises, which deposes whoever held it, and the save is loaded.

use crate::database::{SaveStore, in_transaction};
use crate::error::StoreError;
use crate::save::{Save, Tenure};
use crate::stored::{self, StoredPosition};

const RAISE_EPOCH: &str = "\
    INSERT INTO saves (processor, input_partition, epoch) VALUES ($1, $2, 1)
    ON CONFLICT (processor, input_partition) DO UPDATE SET epoch = saves.epoch + 1
    RETURNING epoch, input_log_id, next_offset, outputs, first_segment, last_segment, stamp";

const SEGMENTS: &str = "\
    SELECT number, crc32, bytes FROM save_segments WHERE processor = $1 AND input_partition = $2 ORDER BY number";

#[derive(sqlx::FromRow)]
struct SaveRow {
    epoch: i64,
    input_log_id: Option<String>,
    next_offset: Option<i64>,
    outputs: Option<String>,
    first_segment: Option<i64>,
    last_segment: i64,
    stamp: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct SegmentRow {
    number: i64,
    crc32: i64,
    bytes: Vec<u8>,
}

impl SaveStore {
    /// Acquires a partition: whoever held it can't write from here on. Gives the save they left, if they did.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if what is there isn't what was saved (the partition is not acquired then),
    /// [`StoreError::Unavailable`].
    pub async fn acquire(&self, processor: &str, partition: u32) -> Result<(Tenure, Option<Save>), StoreError> {
        let what = format!("acquiring partition {partition} of {processor}");
        self.during(&what, async {
            in_transaction!(self, |transaction| {
                // Holds the row to the end: no write comes between it and the segments.
                let row: SaveRow = sqlx::query_as(RAISE_EPOCH)
                    .bind(processor)
                    .bind(i64::from(partition))
                    .fetch_one(&mut *transaction)
                    .await?;
                let segments: Vec<SegmentRow> = sqlx::query_as(SEGMENTS)
                    .bind(processor)
                    .bind(i64::from(partition))
                    .fetch_all(&mut *transaction)
                    .await?;
                let epoch = row.epoch;
                let save = check(row, segments).map_err(|reason| StoreError::corrupt(processor, partition, reason))?;
                (Tenure { processor: processor.to_owned(), partition, epoch }, save)
            })
        })
        .await
    }
}

/// The save that the rows hold, if they hold what was saved.
fn check(row: SaveRow, segments: Vec<SegmentRow>) -> Result<Option<Save>, String> {
    let (first, last) = (row.first_segment, row.last_segment);
    let (Some(input_log_id), Some(next_offset), Some(outputs), Some(first), Some(stamp)) =
        (row.input_log_id, row.next_offset, row.outputs, first, row.stamp)
    else {
        // All of it comes with the first write.
        return if last == 0 && segments.is_empty() { Ok(None) } else { Err("its position is missing".to_owned()) };
    };

    let mut expected = first..=last;
    for segment in &segments {
        match expected.next() {
            Some(number) if number == segment.number => {}
            Some(number) if number < segment.number => return Err(format!("segment {number} is missing")),
            _ => return Err(format!("segment {} does not belong to it", segment.number)),
        }
        if stored::crc32(&segment.bytes) != segment.crc32 {
            return Err(format!("the checksum of segment {} is wrong", segment.number));
        }
    }
    if let Some(number) = expected.next() {
        return Err(format!("segment {number} is missing"));
    }

    let position = StoredPosition { input_log_id: &input_log_id, next_offset, outputs: &outputs };
    let last_crc32 = segments.last().map(|segment| segment.crc32);
    if last_crc32.map(|crc32| position.stamp(first == last, crc32)) != Some(stamp) {
        return Err("the checksum of its position is wrong".to_owned());
    }
    let position = position.read()?;
    Ok(Some(Save { position, segments: segments.into_iter().map(|segment| segment.bytes).collect() }))
}
