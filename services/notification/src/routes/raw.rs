//! Routes files as they are written: TOML, each value remembering its place.

use serde::Deserialize;
use toml::Spanned;

pub(super) type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoutes {
    pub(super) stale_after_hours: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) routes: Vec<Spanned<RawRoute>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) name: Text,
    pub(super) what: Text,
    pub(super) programmes: Option<Spanned<Vec<Text>>>,
    pub(super) policies: Option<Spanned<Vec<Text>>>,
    pub(super) tiers: Option<Spanned<Vec<Text>>>,
    pub(super) detectors: Option<Spanned<Vec<Text>>>,
    pub(super) states: Option<Spanned<Vec<Text>>>,
    pub(super) direction: Option<Text>,
    pub(super) severity: Option<Text>,
    #[serde(default)]
    pub(super) history: bool,
    pub(super) webhook: Option<Spanned<RawWebhook>>,
    pub(super) log: Option<Spanned<RawLog>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    pub(super) url: Text,
    pub(super) secret: Option<Text>,
    pub(super) secret_env: Option<Text>,
    pub(super) secret_file: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {}
