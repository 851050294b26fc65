//! What is in force, as `control` says: policies, settings, cut-points, quiet sources.

use std::collections::BTreeMap;

use prost::Message;
use tiermesh_domain::{
    policy::{self, Document, Policy},
    time::format_instant,
};
use tiermesh_proto::v1::{Control, SourceQuiet, control};
use tiermesh_store::{StoreError, read_model::ReadModel};

use crate::rows::names;

/// What is in force.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// Every word that decides about tiers and signals, in an order in which a fold can take them.
    pub(crate) words: Vec<Control>,
    /// The cut-points, which a fold takes after the last tick.
    pub(crate) cut_points: Vec<Control>,
    /// The policies, by name.
    pub(crate) policies: BTreeMap<String, Policy>,
    /// History has ended.
    pub(crate) is_live: bool,
    /// Sources that have gone quiet.
    pub(crate) quiet: Vec<SourceQuiet>,
}

impl InForce {
    pub(crate) async fn read(model: &ReadModel) -> Result<Self, StoreError> {
        let mut in_force = Self::default();
        for (name, _, bytes) in model.documents().await? {
            // What can't be read was written by a later release.
            let Ok(control) = Control::decode(bytes.as_slice()) else { continue };
            match &control.control {
                Some(control::Control::Live(_)) => in_force.is_live = true,
                Some(control::Control::SourceQuiet(quiet)) => in_force.quiet.push(quiet.clone()),
                Some(control::Control::PolicyActivated(activated)) => {
                    if let Ok(Document::Tiers(policy)) = policy::parse(&activated.text) {
                        in_force.policies.insert(policy.name.clone(), *policy);
                    }
                }
                _ => {}
            }
            if name.starts_with(names::CUT_POINTS) {
                in_force.cut_points.push(control);
            } else {
                in_force.words.push(control);
            }
        }
        Ok(in_force)
    }

    /// The quiet sources, as the API shows them.
    pub(crate) fn quiet_sources(&self) -> Vec<serde_json::Value> {
        let shown = |quiet: &SourceQuiet| {
            serde_json::json!({
                "source": quiet.source,
                "as_of": format_instant(quiet.as_of_ms),
                "last_seen": format_instant(quiet.last_seen_ms),
            })
        };
        self.quiet.iter().map(shown).collect()
    }
}
