//! What a history came to: customers by tier, changes, open signals.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use comfy_table::Table;
use tiermesh_event_log::{
    LogError,
    topics::{CHURN_SIGNALS, TIER_CHANGES},
};

use crate::{reading::each_output, up::mesh::Mesh};

/// What the history came to.
#[derive(Default)]
pub struct Summary {
    customers: BTreeSet<String>,
    changes: usize,
    tiers: BTreeMap<(String, String), usize>,
    open_signals: BTreeMap<String, usize>,
}

impl Summary {
    /// Reads it from the log.
    pub async fn read(mesh: &Mesh) -> Result<Self, LogError> {
        let mut summary = Self::default();
        let mut tiers: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut open: BTreeMap<(String, String), bool> = BTreeMap::new();
        for partition in 0..mesh.log.partitions(TIER_CHANGES.name).await? {
            each_output(&*mesh.log, "scoring", TIER_CHANGES.name, partition, |record| {
                let change = TIER_CHANGES.decode(&record)?;
                summary.changes += 1;
                summary.customers.insert(change.customer.clone());
                tiers.insert((change.policy, change.customer), change.to);
                Ok(())
            })
            .await?;
            each_output(&*mesh.log, "churn-warning", CHURN_SIGNALS.name, partition, |record| {
                let signal = CHURN_SIGNALS.decode(&record)?;
                let is_open = signal.state == "raised" || signal.state == "updated";
                open.insert((signal.detector, signal.customer), is_open);
                Ok(())
            })
            .await?;
        }
        for ((policy, _), tier) in tiers {
            *summary.tiers.entry((policy, tier)).or_default() += 1;
        }
        for ((detector, _), _) in open.into_iter().filter(|(_, is_open)| *is_open) {
            *summary.open_signals.entry(detector).or_default() += 1;
        }
        Ok(summary)
    }

    /// Prints it for people.
    pub fn print(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        println!(
            "A year of a shop went through in {seconds:.1} s: {} customers, {} tier changes.",
            self.customers.len(),
            self.changes
        );
        let mut table = Table::new();
        table.set_header(["policy", "customers by tier"]);
        let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((policy, tier), count) in &self.tiers {
            rows.entry(policy).or_default().push(format!("{tier} {count}"));
        }
        for (policy, tiers) in rows {
            table.add_row([policy.to_owned(), tiers.join(", ")]);
        }
        let signals: Vec<String> =
            self.open_signals.iter().map(|(detector, count)| format!("{detector} {count}")).collect();
        table.add_row(["open loss signals".to_owned(), signals.join(", ")]);
        println!("{table}\nThe mesh is live now: what you send counts at once. Ctrl-C ends it.");
    }

    /// Prints it as one line of JSON.
    pub fn print_json(&self, took: Duration) {
        let mut tiers: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for ((policy, tier), count) in &self.tiers {
            tiers.entry(policy).or_default().insert(tier, *count);
        }
        println!(
            "{}",
            serde_json::json!({
                "seconds": took.as_secs_f64(), "customers": self.customers.len(), "changes": self.changes,
                "tiers": tiers, "open_signals": self.open_signals,
            })
        );
    }
}
