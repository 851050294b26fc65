//! Policy files as they are written: TOML, field by field, each value remembering its place.

use serde::Deserialize;
use toml::Spanned;

/// A text, remembering where it stands.
pub(super) type Text = Spanned<String>;

/// A number as written: TOML's own, or a string where it has to be exact.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Number {
    /// As it was written; a float in its shortest form.
    pub(super) fn as_text(&self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Kind {
    pub(super) kind: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    #[serde(rename = "kind")]
    pub(super) _kind: Option<String>,
    pub(super) name: Text,
    pub(super) programme: Text,
    pub(super) version: Spanned<u32>,
    #[serde(rename = "description")]
    pub(super) _description: Option<String>,
    pub(super) time_zone: Option<Text>,
    pub(super) currency: Text,
    #[serde(default)]
    pub(super) rates: std::collections::BTreeMap<String, Spanned<Number>>,
    pub(super) review: Option<Text>,
    pub(super) upgrade: Option<Text>,
    pub(super) downgrade: Option<Text>,
    pub(super) counts_when: Option<Text>,
    pub(super) inputs: Option<Vec<Text>>,
    pub(super) missing: Option<Text>,
    pub(super) outside: Option<Text>,
    pub(super) score: Option<Spanned<RawScore>>,
    pub(super) relative: Option<Spanned<RawRelative>>,
    pub(super) lifecycle: Option<Spanned<RawLifecycle>>,
    pub(super) tiers: Spanned<Vec<Spanned<RawTier>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTier {
    pub(super) name: Text,
    pub(super) at_least: Option<Spanned<Number>>,
    pub(super) below: Option<Spanned<Number>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScore {
    pub(super) parts: Vec<Spanned<RawPart>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPart {
    pub(super) name: Text,
    pub(super) metric: Text,
    pub(super) window_days: Spanned<u32>,
    pub(super) weight: Spanned<Number>,
    pub(super) zero_at: Option<Spanned<Number>>,
    pub(super) full_at: Spanned<Number>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRelative {
    pub(super) metric: Text,
    pub(super) window_days: Spanned<u32>,
    pub(super) by: Text,
    #[serde(default)]
    pub(super) positive_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLifecycle {
    pub(super) new_days: Option<Spanned<i64>>,
    pub(super) lost_days: Option<Spanned<i64>>,
    pub(super) lost_factor: Option<Spanned<i64>>,
    pub(super) factor: Option<Spanned<i64>>,
    pub(super) least_days: Option<Spanned<i64>>,
    pub(super) most_days: Option<Spanned<i64>>,
    pub(super) default_days: Option<Spanned<i64>>,
    pub(super) few_order_days: Option<Spanned<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDetectors {
    #[serde(rename = "kind")]
    pub(super) _kind: Option<String>,
    pub(super) name: Text,
    pub(super) version: Spanned<u32>,
    #[serde(rename = "description")]
    pub(super) _description: Option<String>,
    pub(super) time_zone: Option<Text>,
    pub(super) currency: Text,
    #[serde(default)]
    pub(super) rates: std::collections::BTreeMap<String, Spanned<Number>>,
    pub(super) counts_when: Option<Text>,
    pub(super) at_stake_days: Spanned<u32>,
    pub(super) lifecycle: Option<Spanned<RawLifecycle>>,
    pub(super) frequency_drop: Option<RawFrequencyDrop>,
    pub(super) silence: Option<RawSilence>,
    pub(super) complaint_rise: Option<RawComplaintRise>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFrequencyDrop {
    pub(super) windows_days: Spanned<Vec<u32>>,
    pub(super) baseline_days: Spanned<u32>,
    pub(super) least_baseline: Spanned<i64>,
    pub(super) least_exposure_days: Spanned<i64>,
    pub(super) least_expected: Spanned<i64>,
    pub(super) raise_at: Spanned<Number>,
    pub(super) clear_at: Spanned<Number>,
    pub(super) p: Spanned<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSilence {
    pub(super) least_order_days: Spanned<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawComplaintRise {
    pub(super) window_days: Spanned<u32>,
    pub(super) history_days: Spanned<u32>,
    pub(super) daily_rate: Spanned<f64>,
    pub(super) prior_days: Spanned<f64>,
    pub(super) least: Spanned<i64>,
    pub(super) p: Spanned<f64>,
    pub(super) reopened_days: Spanned<u32>,
}
