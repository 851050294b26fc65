//! Taking a partition over: the epoch rises, which deposes whoever held it, and the save is loaded.

use futures::TryStreamExt;

use crate::database::{Pool, SaveStore, in_transaction};
use crate::error::StoreError;
use crate::save::{Save, Tenure};
use crate::stored::{ReadSegment, StoredPosition};

const RAISE_EPOCH: &str = "\
    INSERT INTO saves (processor, input_partition, epoch) VALUES ($1, $2, 1)
    ON CONFLICT (processor, input_partition) DO UPDATE SET epoch = saves.epoch + 1
    RETURNING epoch, input_log_id, next_offset, outputs, first_segment, last_segment, stamp";

const SEGMENTS: &str = "\
    SELECT number, part, parts, crc32, bytes FROM save_segments
    WHERE processor = $1 AND input_partition = $2 ORDER BY number, part";

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
struct PartRow {
    number: i64,
    part: i64,
    parts: i64,
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
        if let Pool::Memory(memory) = &self.pool {
            return memory.acquire(processor, partition).await;
        }
        let what = format!("acquiring partition {partition} of {processor}");
        self.during(&what, async {
            in_transaction!(self, |transaction| {
                // Holds the row to the end: no write comes between it and the segments.
                let row: SaveRow = sqlx::query_as(RAISE_EPOCH)
                    .bind(processor)
                    .bind(i64::from(partition))
                    .fetch_one(&mut *transaction)
                    .await?;
                let corrupt = |reason| StoreError::corrupt(processor, partition, reason);
                let mut segments = Segments::of(&row);
                {
                    // Row by row: all of them at once would be the state twice over.
                    let query = sqlx::query_as(SEGMENTS).bind(processor).bind(i64::from(partition));
                    let mut rows = query.fetch(&mut *transaction);
                    while let Some(part) = rows.try_next().await? {
                        segments.add(&part).map_err(corrupt)?;
                    }
                }
                let epoch = row.epoch;
                let save = check(row, segments).map_err(corrupt)?;
                (Tenure { processor: processor.to_owned(), partition, epoch }, save)
            })
        })
        .await
    }
}

/// The segments that were read so far.
struct Segments {
    /// The number of the next one, or of the one that isn't complete yet.
    expected: i64,
    last: i64,
    complete: Vec<Vec<u8>>,
    reading: ReadSegment,
    last_crc32: Option<i64>,
}

impl Segments {
    fn of(save: &SaveRow) -> Self {
        let (expected, last) = (save.first_segment.unwrap_or(1), save.last_segment);
        Self { expected, last, complete: Vec::new(), reading: ReadSegment::default(), last_crc32: None }
    }

    fn add(&mut self, row: &PartRow) -> Result<(), String> {
        let number = self.expected;
        if row.number < number || row.number > self.last {
            return Err(format!("segment {} does not belong to it", row.number));
        }
        if row.number > number || row.part != self.reading.read() {
            return Err(format!("segment {number} is missing"));
        }
        if !self.reading.add(&row.bytes, row.crc32) {
            return Err(format!("the checksum of segment {number} is wrong"));
        }
        if self.reading.read() == row.parts {
            let read = std::mem::take(&mut self.reading);
            self.last_crc32 = Some(read.crc32());
            self.complete.push(read.bytes);
            self.expected += 1;
        }
        Ok(())
    }
}

/// The save that the rows hold, if they hold what was saved.
fn check(row: SaveRow, segments: Segments) -> Result<Option<Save>, String> {
    let (first, last) = (row.first_segment, row.last_segment);
    let (Some(input_log_id), Some(next_offset), Some(outputs), Some(first), Some(stamp)) =
        (row.input_log_id, row.next_offset, row.outputs, first, row.stamp)
    else {
        // All of it comes with the first write.
        let is_new = last == 0 && segments.complete.is_empty();
        return if is_new { Ok(None) } else { Err("its position is missing".to_owned()) };
    };
    if segments.expected <= last {
        return Err(format!("segment {} is missing", segments.expected));
    }
    let position = StoredPosition { input_log_id: &input_log_id, next_offset, outputs: &outputs };
    if segments.last_crc32.map(|crc32| position.stamp(first == last, crc32)) != Some(stamp) {
        return Err("the checksum of its position is wrong".to_owned());
    }
    Ok(Some(Save { position: position.read()?, segments: segments.complete }))
}
