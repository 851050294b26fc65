//! How far the read model is, what is in force, how tiers are spread.

use super::statement::Statement;
use super::{READ_MODEL_CONSUMER, ReadModel};
use crate::error::StoreError;

/// How far the read model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// How often it was built.
    pub generation: i64,
    /// The last number that a row got.
    pub number: i64,
}

/// How many customers hold a tier.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TierCount {
    /// The policy.
    pub policy: String,
    /// The tier.
    pub tier: String,
    /// How many.
    pub customers: i64,
}

impl ReadModel {
    /// How far it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        let standing = Statement::new("SELECT generation, number FROM model");
        let found: Vec<Standing> = self.readers.query("reading how far the read model is", standing).await?;
        Ok(found.first().copied().unwrap_or(Standing { generation: 0, number: 0 }))
    }

    /// Offset of the next record to take, by topic and partition.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn positions(&self) -> Result<Vec<(String, u32, u64)>, StoreError> {
        let positions =
            Statement::new("SELECT topic, input_partition, next_offset FROM consumer_places WHERE consumer = ")
                .argument(READ_MODEL_CONSUMER)
                .sql(" ORDER BY topic, input_partition");
        let rows: Vec<(String, i64, i64)> = self.readers.query("reading places", positions).await?;
        let row = |(topic, partition, next): (String, i64, i64)| {
            (topic, u32::try_from(partition).unwrap_or(u32::MAX), next.cast_unsigned())
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// What stands in `control`, by name: its offset there and the message, in the order of the offsets.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn documents(&self) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError> {
        let documents =
            Statement::new("SELECT name, control_offset, bytes FROM model_documents ORDER BY control_offset");
        let rows: Vec<(String, i64, Vec<u8>)> = self.readers.query("reading what is in force", documents).await?;
        Ok(rows.into_iter().map(|(name, offset, bytes)| (name, offset.cast_unsigned(), bytes)).collect())
    }

    /// The last tick of each partition.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ticks(&self) -> Result<Vec<(u32, i64)>, StoreError> {
        let ticks = Statement::new("SELECT input_partition, time_ms FROM model_ticks ORDER BY input_partition");
        let rows: Vec<(i64, i64)> = self.readers.query("reading ticks", ticks).await?;
        Ok(rows.into_iter().map(|(partition, time)| (u32::try_from(partition).unwrap_or(u32::MAX), time)).collect())
    }

    /// How many customers hold each tier, by policy and tier.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn tiers(&self) -> Result<Vec<TierCount>, StoreError> {
        let tiers = "SELECT policy, tier, COUNT(*) AS customers FROM model_standings GROUP BY policy, tier ORDER BY policy, tier";
        self.readers.query("counting tiers", Statement::new(tiers)).await
    }

    /// How many customers there are, how many signals are open, and how many deliveries are in each state.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn counts(&self) -> Result<(i64, i64, Vec<(String, i64)>), StoreError> {
        let counts = "SELECT (SELECT COUNT(*) FROM model_customers), (SELECT COUNT(*) FROM model_open_signals)";
        let counts: Vec<(i64, i64)> = self.readers.query("counting", Statement::new(counts)).await?;
        let states = "SELECT state, COUNT(*) FROM model_deliveries GROUP BY state ORDER BY state";
        let states = self.readers.query("counting deliveries", Statement::new(states)).await?;
        let (customers, signals) = counts.first().copied().unwrap_or_default();
        Ok((customers, signals, states))
    }
}
