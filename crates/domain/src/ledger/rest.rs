//! What a customer may have beside orders: receivables, interactions, complaints, a card.

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1::{CustomerCard, ProfileUpdated};

use super::{Complaints, Receivables};
use crate::time::Millis;

/// Most customers have orders and nothing of this: it stands apart.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Rest {
    pub(super) receivables: Receivables,
    /// Instants of the interactions that count, ascending.
    pub(super) interactions: Vec<Millis>,
    pub(super) complaints: Complaints,
    pub(super) owner: Option<Box<str>>,
    pub(super) region: Option<Box<str>>,
    pub(super) language: Option<Box<str>>,
}

impl Rest {
    pub(super) fn interaction(&mut self, time: Millis) {
        let at = self.interactions.partition_point(|known| *known <= time);
        self.interactions.insert(at, time);
    }

    /// Interactions after `start`, in time.
    pub(super) fn interactions_after(&self, start: Millis) -> &[Millis] {
        &self.interactions[self.interactions.partition_point(|time| *time <= start)..]
    }

    pub(super) fn card(&self) -> CustomerCard {
        let text = |field: &Option<Box<str>>| field.as_deref().map(str::to_owned);
        CustomerCard { owner: text(&self.owner), region: text(&self.region), language: text(&self.language) }
    }

    pub(super) fn profile(&mut self, profile: &ProfileUpdated) {
        for (name, given, into) in [
            ("owner", &profile.owner, &mut self.owner),
            ("region", &profile.region, &mut self.region),
            ("language", &profile.language, &mut self.language),
        ] {
            if let Some(text) = given {
                *into = Some(text.as_str().into());
            } else if profile.removed.iter().any(|removed| removed == name) {
                *into = None;
            }
        }
    }
}
