//! The ledger as saves of form 2 hold it: facts and orders by hashes of 128 bits, of which today's are the lower half.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::Deserialize;

use super::{Complaints, KnownFacts, Ledger, Receivables, Rest, orders::OrdersOfForm2};
use crate::{fold::FoldError, names::NameId, time::Millis};

#[derive(Deserialize)]
pub(crate) struct LedgerOfForm2 {
    seen: IndexMap<u128, u64, FxBuildHasher>,
    orders: OrdersOfForm2,
    order_sources: Vec<NameId>,
    receivables: Receivables,
    interactions: Vec<Millis>,
    complaints: Complaints,
    owner: Option<Box<str>>,
    region: Option<Box<str>>,
    language: Option<Box<str>>,
    latest: Millis,
}

impl LedgerOfForm2 {
    /// In today's form.
    pub(crate) fn migrated(self) -> Result<Ledger, FoldError> {
        let mut known = KnownFacts::default();
        for (name, content) in self.seen {
            known.admit(name as u64, content as u32);
        }
        let rest = Rest {
            receivables: self.receivables,
            interactions: self.interactions,
            complaints: self.complaints,
            owner: self.owner,
            region: self.region,
            language: self.language,
        };
        let orders = self.orders.migrated(self.order_sources)?;
        Ok(Ledger { known, orders, rest: Some(Box::new(rest)), latest: self.latest, packed: None })
    }
}
