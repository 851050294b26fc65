//! Saves: what is packed, and how the rest is made anew from it.
//!
//! A segment is the clocks and policies, then the customers that changed. Segments of a save are read in order, the
//! later one's customers replacing the earlier one's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Customer, CutPointsInForce, Scoring, Standing, qualify::ReviewDue};
use crate::{
    fold::{FoldError, pack, unpack},
    ledger::Ledger,
    names::{NameId, Names},
    policy::{self, Document},
    rank::RankChanges,
    time::Millis,
};

/// The form of a segment; another number is another form.
const FORM: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Head {
    form: u32,
    partitions: u32,
    time: Option<Millis>,
    previous_time: Option<Millis>,
    last_control: Option<u64>,
    logic: u32,
    live: bool,
    last_boundary: Option<Millis>,
    names: Names,
    policies: Vec<SavedPolicy>,
    changes: Vec<(String, RankChanges)>,
    sources: BTreeMap<NameId, u64>,
}

#[derive(Serialize, Deserialize)]
struct SavedPolicy {
    text: String,
    cut_points: Option<CutPointsInForce>,
    awaiting: Option<Millis>,
    moved: Vec<u32>,
    review_due: Option<ReviewDue>,
}

#[derive(Serialize, Deserialize)]
struct SavedCustomer {
    at: u32,
    subject: Box<str>,
    ledger: Ledger,
    standings: Vec<(NameId, Standing)>,
}

impl Scoring {
    pub(crate) fn pack_all(&mut self) -> Vec<u8> {
        self.unsaved.clear();
        let everybody: Vec<u32> = (0..self.customers.len() as u32).collect();
        self.pack_customers(&everybody)
    }

    pub(crate) fn pack_changed(&mut self) -> Vec<u8> {
        let changed: Vec<u32> = std::mem::take(&mut self.unsaved).into_iter().collect();
        self.pack_customers(&changed)
    }

    fn pack_customers(&self, customers: &[u32]) -> Vec<u8> {
        let head = Head {
            form: FORM,
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
                .values()
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
                .map(|(name, ranked)| (name.clone(), ranked.members.changes().clone()))
                .chain(self.withdrawn.iter().map(|(name, changes)| (name.clone(), changes.clone())))
                .collect(),
            sources: self.sources.clone(),
        };
        let saved: Vec<SavedCustomer> = customers
            .iter()
            .filter_map(|at| {
                let (subject, customer) = self.customers.get_index(*at as usize)?;
                Some(SavedCustomer {
                    at: *at,
                    subject: subject.clone(),
                    ledger: customer.ledger.clone(),
                    standings: customer.standings.iter().map(|(policy, standing)| (*policy, *standing)).collect(),
                })
            })
            .collect();
        pack(&(head, saved))
    }

    pub(crate) fn unpack(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        let mut last: Option<Head> = None;
        for segment in segments {
            let (head, saved): (Head, Vec<SavedCustomer>) = unpack(segment)?;
            if head.form != FORM {
                return Err(FoldError::corrupt(format!("a save of form {}; this release reads {FORM}", head.form)));
            }
            for saved in saved {
                let customer = Customer {
                    ledger: saved.ledger,
                    standings: saved.standings.into_iter().collect(),
                    ..Customer::default()
                };
                let (at, _) = self.customers.insert_full(saved.subject, customer);
                if at != saved.at as usize {
                    return Err(FoldError::corrupt("a save lacks a customer"));
                }
            }
            last = Some(head);
        }
        let Some(head) = last else { return Ok(()) };
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
            let name = self.put_in_force(*policy, &saved.text);
            if let Some(active) = self.policies.get_mut(&name) {
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
