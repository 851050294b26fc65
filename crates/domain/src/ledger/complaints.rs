//! Complaints of one customer, and when they were closed.

use std::{cmp::Ordering, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use tiermesh_proto::v1;

use super::stamp::Stamp;
use crate::{
    names::{NameId, Names},
    time::Millis,
};

/// Complaints of one customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Complaints {
    /// Every opening, ascending.
    openings: Vec<Millis>,
    /// By complaint id.
    complaints: BTreeMap<Box<str>, Complaint>,
}

/// What is known of one complaint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Complaint {
    opened: Option<(Stamp, NameId)>,
    /// Every closing, as it came.
    closed: Vec<Millis>,
}

impl Complaint {
    fn is_open(&self) -> bool {
        self.opened.as_ref().is_some_and(|(stamp, _)| !self.closed.iter().any(|closed| *closed >= stamp.time))
    }
}

impl Complaints {
    pub(super) const fn none() -> Self {
        Self { openings: Vec::new(), complaints: BTreeMap::new() }
    }

    pub(super) fn opened(&mut self, complaint: &v1::ComplaintOpened, stamp: Stamp, names: &mut Names) {
        let at = self.openings.partition_point(|time| *time <= stamp.time);
        self.openings.insert(at, stamp.time);
        let category = names.id(&complaint.category);
        let known = self.complaints.entry(complaint.complaint_id.as_str().into()).or_default();
        let later = known.opened.as_ref().is_none_or(|(opened, _)| stamp.order(opened, names) == Ordering::Greater);
        if later {
            known.opened = Some((stamp, category));
        }
    }

    pub(super) fn closed(&mut self, complaint_id: &str, time: Millis) {
        self.complaints.entry(complaint_id.into()).or_default().closed.push(time);
    }

    /// Whether there never was one.
    pub fn is_empty(&self) -> bool {
        self.openings.is_empty()
    }

    /// How many were opened after `start`, up to and including `end`.
    pub fn opened_between(&self, start: Millis, end: Millis) -> usize {
        let upto = |time: Millis| self.openings.partition_point(|opened| *opened <= time);
        upto(end).saturating_sub(upto(start))
    }

    /// Of each complaint that was opened after `start`, the time and the event of its last opening.
    pub fn events_after(&self, start: Millis) -> impl Iterator<Item = (Millis, &str)> {
        let last = self.complaints.values().filter_map(|complaint| complaint.opened.as_ref());
        last.map(|(stamp, _)| (stamp.time, &*stamp.id)).filter(move |(time, _)| *time > start)
    }

    /// The first opening after `start`.
    pub fn first_after(&self, start: Millis) -> Option<Millis> {
        self.openings.get(self.openings.partition_point(|opened| *opened <= start)).copied()
    }

    /// Whether one is open.
    pub fn any_open(&self) -> bool {
        self.complaints.values().any(Complaint::is_open)
    }

    /// Whether a complaint of the category was closed at most `within` ms before `time`.
    pub fn closed_shortly_before(&self, category: NameId, time: Millis, within: Millis) -> bool {
        self.complaints.values().any(|complaint| {
            complaint.opened.as_ref().is_some_and(|(_, known)| *known == category)
                && complaint.closed.iter().any(|closed| (0..=within).contains(&(time - closed)))
        })
    }
}
