//! Saves of form 2: each segment one value of postcard, every customer in it whole.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::Deserialize;

use super::{Customer, Standing, save::Head};
use crate::{
    fold::{FoldError, unpack as unpack_value},
    ledger::LedgerOfForm2,
    names::NameId,
};

/// The number that such a segment begins with.
pub(super) const FORM: u64 = 2;

#[derive(Deserialize)]
struct Segment {
    form: u32,
    head: Head,
    customers: Vec<SavedCustomer>,
}

#[derive(Deserialize)]
struct SavedCustomer {
    at: u32,
    subject: Box<str>,
    ledger: LedgerOfForm2,
    standings: Vec<(NameId, Standing)>,
}

/// The customers of a save, a later segment's in place of an earlier one's, and the latest head.
pub(super) fn unpack(
    segments: &[Vec<u8>],
    customers: &mut IndexMap<Box<str>, Customer, FxBuildHasher>,
) -> Result<Head, FoldError> {
    let mut latest = None;
    for segment in segments {
        let segment: Segment = unpack_value(segment)?;
        if u64::from(segment.form) != FORM {
            return Err(FoldError::corrupt("a save of form 2 goes on in another"));
        }
        for saved in segment.customers {
            let mut customer = Customer { ledger: saved.ledger.migrated()?, ..Customer::default() };
            saved.standings.into_iter().for_each(|(policy, standing)| customer.standings.insert(policy, standing));
            if customers.insert_full(saved.subject, customer).0 != saved.at as usize {
                return Err(FoldError::corrupt("a save lacks a customer"));
            }
        }
        latest = Some(segment.head);
    }
    latest.ok_or_else(|| FoldError::corrupt("a save has no segment"))
}
