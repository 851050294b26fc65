//! What sending came to: how many events were taken, and why others were not.

use std::{collections::BTreeMap, time::Duration};

use comfy_table::{Table, presets::NOTHING};
use serde_json::{Value, json};

/// Different reasons told apart.
const MOST_REASONS: usize = 50;
/// Places named for each reason.
const MOST_EXAMPLES: usize = 3;

/// Counts of what became of the events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Taken.
    pub accepted: u64,
    /// Known already.
    pub duplicates: u64,
    /// Not taken.
    pub refused: u64,
    /// Later than the end of the history, and not sent.
    pub after_until: u64,
    reasons: BTreeMap<String, Reason>,
    /// Fields that nothing reads.
    ignored: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Default)]
struct Reason {
    count: u64,
    examples: Vec<String>,
}

impl Tally {
    /// An event was refused.
    pub(super) fn refuse(&mut self, place: &str, reason: &str) {
        self.refused += 1;
        let known = self.reasons.len() < MOST_REASONS || self.reasons.contains_key(reason);
        let entry = self.reasons.entry(if known { reason } else { "other reasons" }.to_owned()).or_default();
        entry.count += 1;
        if entry.examples.len() < MOST_EXAMPLES {
            entry.examples.push(place.to_owned());
        }
    }

    /// An event had fields that nothing reads.
    fn ignore(&mut self, fields: &Value) {
        for field in fields.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if self.ignored.len() < MOST_REASONS || self.ignored.contains_key(field) {
                *self.ignored.entry(field.to_owned()).or_default() += 1;
            }
        }
    }

    /// Takes in the answer to a stream whose lines came from these places. Those of which `counts` is false were
    /// counted before.
    pub(super) fn take(&mut self, answer: &Value, place: impl Fn(u64) -> String, counts: impl Fn(u64) -> bool) {
        let count = |field: &str| answer[field].as_u64().unwrap_or_default();
        let mut listed = 0;
        for result in answer["results"].as_array().into_iter().flatten() {
            let line = result["line"].as_u64().unwrap_or_default();
            let refused = result["status"] == "refused";
            listed += u64::from(refused);
            if !counts(line) {
                continue;
            }
            if refused {
                let (field, reason) = (result["field"].as_str().unwrap_or_default(), result["reason"].as_str());
                let reason = reason.unwrap_or_default();
                let reason = if field.is_empty() { reason.to_owned() } else { format!("{field}: {reason}") };
                self.refuse(&place(line), &reason);
            }
            self.ignore(&result["ignored"]);
        }
        for _ in listed..count("refused") {
            self.refuse("", "not listed: too many in one batch");
        }
    }

    /// As JSON.
    pub(crate) fn json(&self, took: Duration) -> Value {
        let reasons: Vec<Value> = self
            .by_count()
            .into_iter()
            .map(|(reason, told)| json!({"reason": reason, "count": told.count, "examples": told.examples}))
            .collect();
        json!({
            "accepted": self.accepted, "duplicates": self.duplicates, "refused": self.refused,
            "after_until": self.after_until, "reasons": reasons, "ignored_fields": self.ignored,
            "seconds": took.as_secs_f64(),
        })
    }

    /// For people.
    pub(crate) fn table(&self, took: Duration) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.add_row(["accepted", &self.accepted.to_string()]);
        table.add_row(["duplicates", &self.duplicates.to_string()]);
        table.add_row(["refused", &self.refused.to_string()]);
        if self.after_until > 0 {
            table.add_row(["after --until, not sent", &self.after_until.to_string()]);
        }
        for (reason, told) in self.by_count() {
            let examples = told.examples.join(", ");
            let more = if told.count > told.examples.len() as u64 { ", …" } else { "" };
            table.add_row([&format!("  {reason}"), &told.count.to_string(), &format!("{examples}{more}")]);
        }
        for (field, count) in &self.ignored {
            table.add_row([&format!("field {field} is read by nothing"), &count.to_string()]);
        }
        format!("{table}\n{:.1} s", took.as_secs_f64())
    }

    fn by_count(&self) -> Vec<(&str, &Reason)> {
        let mut reasons: Vec<_> = self.reasons.iter().map(|(reason, told)| (reason.as_str(), told)).collect();
        reasons.sort_by_key(|(_, told)| std::cmp::Reverse(told.count));
        reasons
    }
}
