//! What was refused: each once, however often it was written, and open until it is dealt with.

use std::collections::BTreeMap;

use super::ReadModel;
use super::apply::ROWS;
use super::rows::{DeadLetterRow, Refused, Rows};
use super::statement::{Statement, Writing};
use crate::error::{Failure, StoreError};

impl ReadModel {
    /// Events that were refused and not dealt with yet, newest first, and how many there are.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn open_dead_letters(&self, limit: u32) -> Result<(i64, Vec<Refused>), StoreError> {
        let count = Statement::new("SELECT COUNT(*) FROM model_dead_letters WHERE is_open = 1");
        let count: Vec<(i64,)> = self.readers.query("counting dead letters", count).await?;
        let recent = Statement::new(
            "SELECT received_ms, source, id, subject, field, reason FROM model_dead_letters WHERE is_open = 1
            ORDER BY received_ms DESC, identity DESC LIMIT ",
        );
        let recent = self.readers.query("listing dead letters", recent.argument(i64::from(limit))).await?;
        Ok((count.first().map_or(0, |(count,)| *count), recent))
    }
}

impl Writing {
    pub(super) async fn dead_letters(&mut self, partition: i64, rows: &Rows) -> Result<(), Failure> {
        for letters in rows.dead_letters.chunks(ROWS) {
            self.letters(partition, letters).await?;
        }
        // Behind the letters, which may be of the same batch. One that comes again stays resolved.
        for offsets in rows.resolved.chunks(ROWS) {
            let resolve = Statement::new(
                "UPDATE model_dead_letters SET is_open = 0 WHERE identity IN
                (SELECT identity FROM model_dead_letter_places WHERE input_partition = ",
            );
            let resolve = resolve.argument(partition).sql(" AND letter_offset IN (");
            let offsets = offsets.iter().map(|offset| offset.cast_signed().into());
            self.execute(resolve.list(offsets).sql("))")).await?;
        }
        if let Some(since_ms) = rows.letters_since_ms {
            for table in ["model_dead_letters", "model_dead_letter_places"] {
                let forget = Statement::new(&format!("DELETE FROM {table} WHERE received_ms < "));
                self.execute(forget.argument(since_ms)).await?;
            }
        }
        Ok(())
    }

    async fn letters(&mut self, partition: i64, letters: &[DeadLetterRow]) -> Result<(), Failure> {
        // The last of each: one statement must not meet a row twice.
        let last: BTreeMap<&str, &Refused> =
            letters.iter().map(|letter| (letter.identity.as_str(), &letter.refused)).collect();
        let row = |(identity, refused): (&str, &Refused)| {
            vec![
                identity.into(),
                1_i64.into(),
                refused.received_ms.into(),
                (&refused.source).into(),
                (&refused.id).into(),
                (&refused.subject).into(),
                (&refused.field).into(),
                (&refused.reason).into(),
            ]
        };
        let upsert = Statement::new(
            "INSERT INTO model_dead_letters (identity, is_open, received_ms, source, id, subject, field, reason) VALUES ",
        )
        .rows(last.into_iter().map(row))
        .sql(
            " ON CONFLICT (identity) DO UPDATE SET received_ms = excluded.received_ms
            WHERE excluded.received_ms > model_dead_letters.received_ms",
        );
        self.execute(upsert).await?;
        let place = |letter: &DeadLetterRow| {
            let (offset, received_ms) = (letter.offset.cast_signed(), letter.refused.received_ms);
            vec![partition.into(), offset.into(), (&letter.identity).into(), received_ms.into()]
        };
        let insert = Statement::new(
            "INSERT INTO model_dead_letter_places (input_partition, letter_offset, identity, received_ms) VALUES ",
        );
        self.execute(insert.rows(letters.iter().map(place))).await.map(drop)
    }
}
