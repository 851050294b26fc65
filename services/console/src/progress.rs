//! How far the read model is behind the log, looked at every second.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tiermesh_event_log::EventLog;
use tiermesh_store::read_model::{ModelStanding, ReadModel};
use tokio::sync::watch;

use crate::builder::TOPICS;

/// How often is looked whether the read model was dropped, and, while it is being built, how far it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Every so many looks the ends of the log are asked for although nothing is being built.
const LOOKS_TO_ENDS: u32 = 5;

/// How far the read model is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Progress {
    /// How often it was built.
    pub(crate) generation: i64,
    /// Where it stands in each partition.
    pub(crate) positions: Vec<Position>,
    /// Behind what the log held when this process, or this building, began: what is shown is not all yet.
    pub(crate) is_building: bool,
}

/// Where the read model stands in a partition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    topic: &'static str,
    partition: u32,
    next_offset: u64,
    end: u64,
    /// Where the log ended when the building began.
    goal: u64,
}

impl Position {
    pub(crate) fn shown(&self) -> Value {
        json!({"topic": self.topic, "partition": self.partition, "next_offset": self.next_offset, "end": self.end})
    }

    pub(crate) fn lag(&self) -> u64 {
        self.end.saturating_sub(self.next_offset)
    }
}

impl Progress {
    /// Before the first look: it isn't known yet how much there is.
    pub(crate) fn beginning(standing: ModelStanding) -> Self {
        Self { generation: standing.generation, positions: Vec::new(), is_building: true }
    }

    /// The share that is built, as the API shows it; null once all is.
    pub(crate) fn shown(&self) -> Value {
        if !self.is_building {
            return Value::Null;
        }
        let (done, all) = self.positions.iter().fold((0_u64, 0_u64), |(done, all), position| {
            (done + position.next_offset.min(position.goal), all + position.goal)
        });
        let share = if all == 0 { 0.0 } else { done as f64 / all as f64 };
        json!({"progress": (share * 1_000.0).floor() / 1_000.0})
    }
}

/// Looks at it for ever.
pub(crate) async fn watch(log: Arc<dyn EventLog>, model: ReadModel, progress: watch::Sender<Progress>) {
    let mut looks = 0_u32;
    loop {
        match model.standing().await {
            Ok(standing) => {
                let known = progress.borrow().clone();
                let is_new = standing.generation != known.generation;
                if is_new || known.is_building || looks.is_multiple_of(LOOKS_TO_ENDS) {
                    match look(&*log, &model, (!is_new).then_some(&known)).await {
                        Ok(positions) => {
                            let is_behind = positions.iter().any(|position| position.next_offset < position.goal);
                            let is_building = (is_new || known.is_building) && is_behind;
                            let now = Progress { generation: standing.generation, positions, is_building };
                            progress.send_replace(now);
                        }
                        Err(error) => tracing::warn!("how far the read model is can't be told: {error}"),
                    }
                }
            }
            Err(error) => tracing::warn!("how far the read model is can't be told: {error}"),
        }
        looks = looks.wrapping_add(1);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Where it stands everywhere. Goals are those known, or the ends as they are now.
async fn look(
    log: &dyn EventLog,
    model: &ReadModel,
    known: Option<&Progress>,
) -> Result<Vec<Position>, Box<dyn std::error::Error + Send + Sync>> {
    let places = model.positions().await?;
    let mut positions = Vec::new();
    for topic in TOPICS {
        for partition in 0..log.partitions(topic).await? {
            let extent = log.extent(topic, partition).await?;
            let place = places.iter().find(|(of, number, _)| of == topic && *number == partition);
            // What lies below the start was removed: it needn't be taken. Offset 0 is the birth record.
            let next_offset = place.map_or(0, |(_, _, next)| *next).max(extent.start).max(1);
            let same = |position: &&Position| position.topic == topic && position.partition == partition;
            let goal = known.and_then(|known| known.positions.iter().find(same)).map_or(extent.end, |same| same.goal);
            positions.push(Position { topic, partition, next_offset, end: extent.end, goal });
        }
    }
    Ok(positions)
}
