//! What is in force, as folded from `control`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tiermesh_domain::{
    policy::{self, Document, Method},
    time::{Millis, Zone},
};
use tiermesh_proto::v1::{Control, control};

/// What is in force after the records of `control` so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ControlStanding {
    /// How facts are folded.
    pub(crate) logic: Option<u32>,
    /// History has ended.
    pub(crate) live: bool,
    /// By name.
    active: BTreeMap<String, Active>,
    /// The latest of each policy.
    cut_points: BTreeMap<String, CutPointsAsOf>,
    /// The last that each fold said, by service and partition.
    marks: BTreeMap<String, Seen>,
}

/// An active document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Active {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) version: u32,
    /// The whole file.
    pub(crate) text: String,
    /// Its offset in `control`.
    pub(crate) number: u64,
    /// The name of the zone whose midnights end its days.
    zone: String,
    /// It needs cut-points.
    relative: bool,
}

/// What a document decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Tiers,
    LossSignals,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct CutPointsAsOf {
    version: u32,
    as_of_ms: Millis,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Seen {
    sequence: u64,
    /// Its offset in `control`.
    number: u64,
}

/// A place in a history: the last tick that is known complete, and the last fact before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) tick_ms: Millis,
    pub(crate) time_ms: Millis,
    pub(crate) subject: String,
    pub(crate) source: String,
    pub(crate) id: String,
}

impl Active {
    /// A document as it stands in force from that record of `control` on.
    pub(crate) fn of(document: &Document, text: &str, number: u64) -> Self {
        let (name, kind, version, zone, relative) = match document {
            Document::Tiers(policy) => {
                let relative = matches!(policy.method, Method::Relative(_));
                (&policy.name, Kind::Tiers, policy.version, &policy.zone, relative)
            }
            Document::Detectors(settings) => {
                (&settings.name, Kind::LossSignals, settings.version, &settings.zone, false)
            }
        };
        let (name, zone) = (name.clone(), zone.name().to_owned());
        Self { name, kind, version, text: text.to_owned(), number, zone, relative }
    }
}

impl ControlStanding {
    /// True if the record is a fold's that was said before: a deposed owner says the same as its successor.
    pub(crate) fn is_repeated(&mut self, number: u64, control: &Control) -> bool {
        let Some(origin) = &control.origin else { return false };
        let source = format!("{}/{}", origin.service, origin.partition);
        let seen = self.marks.entry(source).or_default();
        if number <= seen.number {
            // The last one, copied again after a take-over.
            return false;
        }
        if origin.sequence <= seen.sequence {
            return true;
        }
        if seen.sequence > 0 && origin.sequence > seen.sequence + 1 {
            tracing::error!(
                "`control`, offset {number}: sequence {} of {} follows {}: records are missing",
                origin.sequence,
                origin.service,
                seen.sequence
            );
        }
        *seen = Seen { sequence: origin.sequence, number };
        false
    }

    /// Takes in the record at an offset of `control`.
    pub(crate) fn apply(&mut self, number: u64, control: &Control) {
        match &control.control {
            Some(control::Control::PolicyActivated(activated)) => self.activate(number, &activated.text),
            Some(control::Control::DetectorsActivated(activated)) => self.activate(number, &activated.text),
            Some(control::Control::CutPoints(cut_points)) => {
                let latest = self.cut_points.entry(cut_points.policy.clone()).or_default();
                *latest = (*latest).max(CutPointsAsOf { version: cut_points.version, as_of_ms: cut_points.as_of_ms });
            }
            // It only rises, as in the folds.
            Some(control::Control::LogicActivated(activated)) => self.logic = self.logic.max(Some(activated.logic)),
            Some(control::Control::Live(_)) => self.live = true,
            // For churn-warning and notification: nothing here depends on it.
            Some(control::Control::SourceQuiet(_) | control::Control::SourceBack(_)) | None => {}
        }
    }

    fn activate(&mut self, number: u64, text: &str) {
        match policy::parse(text) {
            Ok(document) => {
                let active = Active::of(&document, text, number);
                self.active.insert(active.name.clone(), active);
            }
            // Copied all the same: it is for the folds to stop at it.
            Err(error) => tracing::error!(
                "`control` has a document activated at offset {number} that this release can't read ({error}); upgrade it"
            ),
        }
    }

    /// The documents in force, by name.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Active> {
        self.active.values()
    }

    /// The document of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Active> {
        self.active.get(name)
    }

    /// The zones whose midnights matter; UTC if none does.
    pub(crate) fn zones(&self) -> Vec<Zone> {
        let mut names: Vec<&str> = self.active.values().map(|active| active.zone.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut zones: Vec<Zone> = names.into_iter().filter_map(Zone::named).collect();
        if zones.is_empty() {
            zones.push(Zone::utc());
        }
        zones
    }

    /// The policies, with their versions, that have no cut-points as of that instant or later.
    pub(crate) fn without_cut_points(&self, as_of_ms: Millis) -> Vec<(String, u32)> {
        let relative = self.active.values().filter(|active| active.relative);
        let wanted: Vec<_> = relative.map(|active| (active.name.clone(), active.version)).collect();
        self.still_without(as_of_ms, wanted)
    }

    /// Those of the policies for which that still holds.
    pub(crate) fn still_without(&self, as_of_ms: Millis, mut wanted: Vec<(String, u32)>) -> Vec<(String, u32)> {
        wanted.retain(|(name, version)| {
            !self.cut_points.get(name).is_some_and(|found| found.version >= *version && found.as_of_ms >= as_of_ms)
        });
        wanted
    }
}
