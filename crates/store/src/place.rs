//! Where a consumer stands, moved in the transaction that stores what it did.
//!
//! The move compares: it is made only if the place still is the one that the consumer set out from. So of two who take
//! the same records, because one was deposed and doesn't know it yet, one does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::database::{Pool, SaveStore, on_pool};
use crate::error::{Failure, StoreError};

/// Where a consumer stands in one partition of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Identity of the partition's log.
    pub log_id: String,
    /// Offset of the next record to take.
    pub next_offset: u64,
    /// The last sequence taken, by `service/partition` that gave it.
    pub marks: BTreeMap<String, u64>,
}

/// A move from one place to the next.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The consumer's name.
    pub consumer: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: u32,
    /// Where the consumer stood; `None` if it never took anything of this partition.
    pub before: Option<&'a Place>,
    /// Where it stands afterwards: further on.
    pub after: &'a Place,
}

const FIRST: &str = "\
    INSERT INTO consumer_places (consumer, topic, input_partition, log_id, next_offset, marks)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (consumer, topic, input_partition) DO NOTHING";

const NEXT: &str = "\
    UPDATE consumer_places SET next_offset = $5, marks = $6
    WHERE consumer = $1 AND topic = $2 AND input_partition = $3 AND log_id = $4 AND next_offset = $7";

const PLACE: &str = "\
    SELECT log_id, next_offset, marks FROM consumer_places
    WHERE consumer = $1 AND topic = $2 AND input_partition = $3";

/// A connection on which a consumer's place can be moved: that of a transaction of either database.
pub(crate) trait Advance {
    /// Moves the place, in the caller's transaction.
    ///
    /// Fails with [`StoreError::Overtaken`] if it is not where the step sets out from.
    async fn advance(&mut self, step: Step<'_>) -> Result<(), Failure>;
}

macro_rules! advance_on {
    ($connection:ty) => {
        impl Advance for $connection {
            async fn advance(&mut self, step: Step<'_>) -> Result<(), Failure> {
                let marks = serde_json::to_string(&step.after.marks).expect("texts and numbers are always JSON");
                let moving = sqlx::query(if step.before.is_some() { NEXT } else { FIRST })
                    .bind(step.consumer)
                    .bind(step.topic)
                    .bind(i64::from(step.partition))
                    .bind(step.after.log_id.as_str())
                    .bind(step.after.next_offset.cast_signed())
                    .bind(marks);
                let moving = match step.before {
                    Some(before) => moving.bind(before.next_offset.cast_signed()),
                    None => moving,
                };
                match moving.execute(&mut *self).await?.rows_affected() {
                    1 => Ok(()),
                    _ => Err(StoreError::Overtaken {
                        consumer: step.consumer.to_owned(),
                        topic: step.topic.to_owned(),
                        partition: step.partition,
                    }
                    .into()),
                }
            }
        }
    };
}

advance_on!(sqlx::PgConnection);
advance_on!(sqlx::SqliteConnection);

impl SaveStore {
    /// Where a consumer stands in a partition; `None` if it never took anything of it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`].
    pub async fn place(&self, consumer: &str, topic: &str, partition: u32) -> Result<Option<Place>, StoreError> {
        if let Pool::Memory(memory) = &self.pool {
            return memory.place(consumer, topic, partition).await;
        }
        let row: Option<(String, i64, String)> = self
            .during("reading a consumer's place", async {
                Ok(on_pool!(self, |pool| {
                    sqlx::query_as(PLACE)
                        .bind(consumer)
                        .bind(topic)
                        .bind(i64::from(partition))
                        .fetch_optional(pool)
                        .await?
                }))
            })
            .await?;
        let Some((log_id, next_offset, marks)) = row else { return Ok(None) };
        let marks = serde_json::from_str(&marks).map_err(|error| {
            StoreError::corrupt(consumer, partition, format!("its marks of topic `{topic}` can't be read: {error}"))
        })?;
        Ok(Some(Place { log_id, next_offset: next_offset.cast_unsigned(), marks }))
    }

    /// Moves a consumer's place, for one that stores nothing else here.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`] if it stands elsewhere, [`StoreError::Unavailable`].
    pub async fn advance(&self, step: Step<'_>) -> Result<(), StoreError> {
        if let Pool::Memory(memory) = &self.pool {
            return memory.advance(step).await;
        }
        self.during("moving a consumer's place", async {
            crate::database::in_transaction!(self, |transaction| transaction.advance(step).await?)
        })
        .await
    }
}
