//! What can go wrong with a log, made to happen.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use super::{MemoryLog, Topic};
use crate::seam::LogError;

#[derive(Debug, Default)]
pub(super) struct Faults {
    /// By the producer's name: how many records of its next `send` are written before it fails.
    failing: Mutex<HashMap<String, usize>>,
    /// How many [`HeldAcks`] there are.
    holds: watch::Sender<usize>,
}

impl Faults {
    pub(super) fn take_failure(&self, producer: &str) -> Option<usize> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(producer)
    }

    pub(super) fn holds(&self) -> watch::Receiver<usize> {
        self.holds.subscribe()
    }
}

/// While it lives no acknowledgement of a later `send` resolves, though the records are in the log. Acknowledgements
/// that wait for it fail if their producer fails meanwhile.
#[must_use = "acknowledgements are held until this is dropped"]
pub struct HeldAcks {
    log: MemoryLog,
}

impl Drop for HeldAcks {
    fn drop(&mut self) {
        self.log.shared.faults.holds.send_modify(|holds| *holds -= 1);
    }
}

impl MemoryLog {
    /// The next `send` of the producers of this name fails once its first `written` records are in the log: 0 for
    /// none of them, `usize::MAX` for a failure of the acknowledgement alone.
    pub fn fail_next_delivery(&self, producer: &str, written: usize) {
        let mut failing = self.shared.faults.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.insert(producer.to_owned(), written);
    }

    /// Holds the acknowledgements of every `send` from here on until the result is dropped.
    pub fn hold_acks(&self) -> HeldAcks {
        self.shared.faults.holds.send_modify(|holds| *holds += 1);
        HeldAcks { log: self.clone() }
    }

    /// Deletes the topic and creates it again: empty, with new log ids. Readers of the old one fail.
    ///
    /// # Errors
    /// If there is no such topic.
    pub fn replace_topic(&self, topic: &str) -> Result<(), LogError> {
        let mut topics = self.topics();
        let held = topics.get_mut(topic).ok_or_else(|| LogError::NoSuchTopic(topic.to_owned()))?;
        let new = Topic::new(&held.spec);
        for old in std::mem::replace(held, new).partitions {
            old.replaced();
        }
        Ok(())
    }

    /// Removes the records before `offset`, as retention does.
    ///
    /// # Errors
    /// If there is no such partition.
    pub fn cut(&self, topic: &str, partition: u32, offset: u64) -> Result<(), LogError> {
        self.partition(topic, partition)?.cut(offset);
        Ok(())
    }

    /// The group gives up on the member that owns this partition: all that it owns is gone at once, to others if
    /// there are any, and it hears of it by its next event. False if nobody owns the partition.
    pub fn lose_partitions(&self, group: &str, topic: &str, partition: u32) -> bool {
        self.shared.groups.lose(group, topic, partition)
    }
}
