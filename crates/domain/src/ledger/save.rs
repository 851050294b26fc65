//! The ledger as it is packed: whole, or what was added at its end since it was packed last.

use super::{Ledger, Rest};
use crate::{
    fold::{FoldError, pack, unpack},
    packing::{Reader, Writer},
};

/// How far a ledger reaches: so many facts, so many orders and refunds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    facts: u32,
    entries: u32,
}

impl Ledger {
    /// How far it reaches now.
    pub(crate) fn extent(&self) -> Extent {
        Extent { facts: self.known.len() as u32, entries: self.orders.len() as u32 }
    }

    /// Packs all of it.
    pub(crate) fn pack_whole(&self, into: &mut Writer) {
        into.signed(self.latest);
        self.known.pack(0, into);
        self.orders.pack(0, into);
        self.orders.pack_amendments(into);
        match &self.rest {
            Some(rest) => into.sized(&pack(rest)),
            None => into.sized(&[]),
        }
    }

    /// Packs what was added since then; nothing before may have changed.
    pub(crate) fn pack_added(&self, since: Extent, into: &mut Writer) {
        into.number(u64::from(since.facts));
        into.number(u64::from(since.entries));
        into.signed(self.latest);
        self.known.pack(since.facts as usize, into);
        self.orders.pack(since.entries as usize, into);
    }

    /// One that was packed whole; what was added to it since may follow, then [`Ledger::derive`].
    pub(crate) fn unpack_whole(from: &mut Reader<'_>) -> Result<Self, FoldError> {
        let mut ledger = Self { latest: from.signed()?, ..Self::default() };
        ledger.known.unpack(from)?;
        ledger.orders.unpack(from)?;
        ledger.orders.unpack_amendments(from)?;
        let rest = from.sized()?;
        if !rest.is_empty() {
            ledger.rest = Some(Box::new(unpack::<Rest>(rest)?));
        }
        Ok(ledger)
    }

    /// Adds what was packed since.
    pub(crate) fn unpack_added(&mut self, from: &mut Reader<'_>) -> Result<(), FoldError> {
        let since = Extent { facts: from.short()?, entries: from.short()? };
        if since != self.extent() {
            return Err(FoldError::corrupt("saved state: what was added doesn't follow what was there"));
        }
        self.latest = from.signed()?;
        self.known.unpack(from)?;
        self.orders.unpack(from)
    }

    /// Makes anew what follows from what was unpacked.
    pub(crate) fn derive(&mut self) -> Result<(), FoldError> {
        self.known.derive();
        self.orders.derive()?;
        self.packed = Some(self.extent());
        Ok(())
    }
}
