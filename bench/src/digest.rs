//! The hash of what a run said: per partition over key, value and id of each tier change, in their order; then over the
//! partitions. Two runs with the same hash said the same, byte for byte.

use sha2::{Digest, Sha256};
use tiermesh_event_log::Record;

/// Tier changes, hashed as they come.
pub struct Outputs {
    partitions: Vec<(u64, Sha256)>,
}

impl Outputs {
    /// None yet.
    pub fn new(partitions: u32) -> Self {
        Self { partitions: (0..partitions).map(|_| (0, Sha256::new())).collect() }
    }

    /// Takes one in.
    pub fn add(&mut self, partition: u32, record: &Record) {
        let Some((count, hash)) = self.partitions.get_mut(partition as usize) else { return };
        *count += 1;
        for part in [&record.key[..], &record.value[..], record.header("ce_id").unwrap_or_default().as_bytes()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }

    /// By partition, how many there are.
    pub fn counts(&self) -> Vec<u64> {
        self.partitions.iter().map(|(count, _)| *count).collect()
    }

    /// The hash of them all, in hexadecimal.
    pub fn sha256(&self) -> String {
        let mut all = Sha256::new();
        for (count, hash) in &self.partitions {
            all.update(count.to_le_bytes());
            all.update(hash.clone().finalize());
        }
        all.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
