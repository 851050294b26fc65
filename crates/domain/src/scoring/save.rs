//! Saves: what is packed, and how the rest is made anew from it.
//!
//! A segment is the number of its form, a head (clocks, policies, names), and customers, each whole or what was added to
//! it since an earlier segment. Whoever loads begins with the latest segment: what it says of a customer stands, and what
//! an earlier one says of it is needed only up to where it is whole. The head that counts is the latest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Customer, CutPointsInForce, Scoring, Standing, Standings, form_2, qualify::ReviewDue};
use crate::{
    fold::{FoldError, Packed, pack, unpack},
    ledger::Ledger,
    names::{NameId, Names},
    packing::{Reader, Writer},
    policy::{self, Document},
    rank::Histogram,
    time::Millis,
};

/// The form of a segment; another number is another form. A save is of one form: the first segment behind one of form 2
/// holds everything.
const FORM: u64 = 3;

/// Once this much of others is packed beside those who changed, the rest of the turn waits for the next segment, unless
/// what changed weighs more.
const LEAST_SWEPT_BYTES: usize = 64 << 10;

const WHOLE: u8 = 0;
const ADDED: u8 = 1;

#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) partitions: u32,
    pub(super) time: Option<Millis>,
    pub(super) previous_time: Option<Millis>,
    pub(super) last_control: Option<u64>,
    pub(super) logic: u32,
    pub(super) live: bool,
    pub(super) last_boundary: Option<Millis>,
    pub(super) names: Names,
    pub(super) policies: Vec<SavedPolicy>,
    pub(super) changes: Vec<(String, Histogram)>,
    pub(super) sources: BTreeMap<NameId, u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedPolicy {
    text: String,
    cut_points: Option<CutPointsInForce>,
    awaiting: Option<Millis>,
    moved: Vec<u32>,
    review_due: Option<ReviewDue>,
}

/// A customer that isn't complete yet while a save is read backwards.
#[expect(clippy::large_enum_variant, reason = "nearly all of them are complete soon; a box each would cost more")]
enum Reading<'a> {
    /// What was added, the latest first; what it was added to comes with an earlier segment.
    Added(SmallVec<[Reader<'a>; 1]>),
    Complete(Box<str>, Customer),
}

impl Scoring {
    /// Everybody, packed.
    pub(crate) fn pack_all(&mut self) -> Vec<u8> {
        self.sweep.take_changed();
        self.sweep.begin_round();
        self.sweep.holds_all = false;
        let mut into = self.pack_head();
        (0..self.customers.len() as u32).for_each(|at| self.pack_whole(at, &mut into));
        into.bytes
    }

    /// Those who changed, and in turn others; and whom the segment holds whole.
    pub(crate) fn pack_changed(&mut self) -> (Packed, Vec<u32>) {
        if self.sweep.holds_all {
            let everybody = (0..self.customers.len() as u32).collect();
            return (Packed { bytes: self.pack_all(), round_complete: true }, everybody);
        }
        let mut into = self.pack_head();
        let mut whole = Vec::new();
        for at in self.sweep.take_changed() {
            if !self.pack_added(at, &mut into) {
                self.pack_whole(at, &mut into);
                self.sweep.packed_whole(at);
                whole.push(at);
            }
        }
        // As much again of the others: so a round is over when about twice what there is has been packed.
        let most = into.bytes.len() + into.bytes.len().max(LEAST_SWEPT_BYTES);
        let mut round_complete = false;
        while !round_complete && into.bytes.len() < most {
            match self.sweep.next(self.customers.len()) {
                Some(at) => {
                    self.pack_whole(at, &mut into);
                    whole.push(at);
                }
                None => round_complete = true,
            }
        }
        (Packed { bytes: into.bytes, round_complete }, whole)
    }

    fn pack_whole(&mut self, at: u32, into: &mut Writer) {
        let Some((subject, customer)) = self.customers.get_index_mut(at as usize) else { return };
        into.number(u64::from(at));
        into.bytes.push(WHOLE);
        let began = into.begin_sized();
        into.sized(subject.as_bytes());
        pack_standings(&customer.standings, into);
        customer.ledger.pack_whole(into);
        into.end_sized(began);
        customer.ledger.packed = Some(customer.ledger.extent());
    }

    /// Packs what was added to a customer; `false`: more than that has changed.
    fn pack_added(&mut self, at: u32, into: &mut Writer) -> bool {
        let Some((_, customer)) = self.customers.get_index_mut(at as usize) else { return true };
        let Some(since) = customer.ledger.packed else { return false };
        into.number(u64::from(at));
        into.bytes.push(ADDED);
        let began = into.begin_sized();
        pack_standings(&customer.standings, into);
        customer.ledger.pack_added(since, into);
        into.end_sized(began);
        customer.ledger.packed = Some(customer.ledger.extent());
        true
    }

    fn pack_head(&self) -> Writer {
        let head = Head {
            partitions: self.partitions,
            time: self.time,
            previous_time: self.previous_time,
            last_control: self.last_control,
            logic: self.logic,
            live: self.live,
            last_boundary: self.last_boundary,
            names: self.names.clone(),
            policies: self
                .policies
                .iter()
                .map(|active| SavedPolicy {
                    text: active.text.clone(),
                    cut_points: active.cut_points.clone(),
                    awaiting: active.awaiting,
                    moved: active.moved.iter().copied().collect(),
                    review_due: active.review_due,
                })
                .collect(),
            changes: self
                .ranked
                .iter()
                .map(|(name, ranked)| (name.clone(), ranked.members.changes()))
                .chain(self.withdrawn.iter().map(|(name, changes)| (name.clone(), changes.clone())))
                .collect(),
            sources: self.sources.clone(),
        };
        let mut into = Writer::default();
        into.number(FORM);
        into.number(self.customers.len() as u64);
        into.sized(&pack(&head));
        into
    }

    pub(crate) fn unpack(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        let Some(last) = segments.last() else { return Ok(()) };
        let head = match Reader::new(last).number()? {
            form_2::FORM => {
                self.sweep.holds_all = true;
                form_2::unpack(segments, &mut self.customers)?
            }
            FORM => self.unpack_customers(segments)?,
            form => return Err(unknown_form(form)),
        };
        self.take_over(head)
    }

    /// Reads the segments, the latest first, until everybody is complete.
    fn unpack_customers(&mut self, segments: &[Vec<u8>]) -> Result<Head, FoldError> {
        let mut latest: Option<Head> = None;
        let mut readings: Vec<Option<Reading<'_>>> = Vec::new();
        for segment in segments.iter().rev() {
            let mut from = Reader::new(segment);
            match from.number()? {
                FORM => {}
                form => return Err(unknown_form(form)),
            }
            let customers = from.short()? as usize;
            let head = from.sized()?;
            if latest.is_none() {
                latest = Some(unpack(head)?);
                readings.resize_with(customers, || None);
            }
            let mut said: Vec<(usize, u8, Reader<'_>)> = Vec::new();
            while !from.is_empty() {
                let at = from.short()? as usize;
                let [kind] = from.array()?;
                said.push((at, kind, Reader::new(from.sized()?)));
            }
            // The latest first here too: whoever changed and whose turn it was stands in a segment twice.
            for (at, kind, body) in said.into_iter().rev() {
                let reading =
                    readings.get_mut(at).ok_or_else(|| FoldError::corrupt("a save has too many customers"))?;
                read(reading, kind, body)?;
            }
        }
        self.customers.reserve(readings.len());
        for (at, reading) in readings.into_iter().enumerate() {
            let Some(Reading::Complete(subject, customer)) = reading else {
                return Err(FoldError::corrupt("a save lacks a customer"));
            };
            if self.customers.insert_full(subject, customer).0 != at {
                return Err(FoldError::corrupt("a save has a customer twice"));
            }
        }
        latest.ok_or_else(|| FoldError::corrupt("a save has no segment"))
    }

    fn take_over(&mut self, head: Head) -> Result<(), FoldError> {
        if head.partitions != self.partitions {
            let message = format!("the save is of a mesh with {} partitions, not {}", head.partitions, self.partitions);
            return Err(FoldError::corrupt(message));
        }
        self.time = head.time;
        self.previous_time = head.previous_time;
        self.last_control = head.last_control;
        self.logic = head.logic;
        self.live = head.live;
        self.last_boundary = head.last_boundary;
        self.names = head.names;
        self.sources = head.sources;
        self.derive_waiting();
        for saved in head.policies {
            let Document::Tiers(policy) = policy::parse(&saved.text)? else {
                return Err(FoldError::corrupt("a saved policy gives no tiers"));
            };
            let number = self.put_in_force(*policy, &saved.text);
            if let Some(active) = self.policies.get_mut(number) {
                active.cut_points = saved.cut_points;
                active.awaiting = saved.awaiting;
                active.moved = saved.moved.into_iter().collect();
                active.review_due = saved.review_due;
            }
        }
        self.replan();
        for (name, changes) in head.changes {
            match self.ranked.get_mut(&name) {
                Some(ranked) => ranked.members.restore_changes(changes),
                None => {
                    self.withdrawn.insert(name, changes);
                }
            }
        }
        Ok(())
    }
}

/// Takes what a segment says of a customer, unless later ones have said all.
fn read<'a>(reading: &mut Option<Reading<'a>>, kind: u8, mut body: Reader<'a>) -> Result<(), FoldError> {
    let added = match reading {
        Some(Reading::Complete(..)) => return Ok(()),
        Some(Reading::Added(added)) => std::mem::take(added),
        None => SmallVec::new(),
    };
    if kind == ADDED {
        let mut added = added;
        added.push(body);
        *reading = Some(Reading::Added(added));
        return Ok(());
    }
    if kind != WHOLE {
        return Err(FoldError::corrupt("saved state: a customer is neither whole nor added to"));
    }
    let subject =
        std::str::from_utf8(body.sized()?).map_err(|_| FoldError::corrupt("saved state: a name is no text"))?;
    let mut standings = unpack_standings(&mut body)?;
    let mut ledger = Ledger::unpack_whole(&mut body)?;
    for mut later in added.into_iter().rev() {
        standings = unpack_standings(&mut later)?;
        ledger.unpack_added(&mut later)?;
    }
    ledger.derive()?;
    *reading = Some(Reading::Complete(subject.into(), Customer { ledger, standings, ..Customer::default() }));
    Ok(())
}

fn pack_standings(standings: &Standings, into: &mut Writer) {
    let standings = standings.iter();
    into.number(standings.len() as u64);
    for (policy, standing) in standings {
        into.number(u64::from(policy));
        into.number(u64::from(standing.tier));
        into.signed(standing.since);
        into.bytes.push(u8::from(standing.waits));
    }
}

fn unpack_standings(from: &mut Reader<'_>) -> Result<Standings, FoldError> {
    let mut standings = Standings::default();
    for _ in 0..from.count(4)? {
        let policy = from.short()?;
        let (tier, since) = (from.short()?, from.signed()?);
        let [waits] = from.array()?;
        standings.insert(policy, Standing { tier, since, waits: waits != 0 });
    }
    Ok(standings)
}

fn unknown_form(form: u64) -> FoldError {
    FoldError::corrupt(format!("a save of form {form}; this release reads {} and {FORM}", form_2::FORM))
}
