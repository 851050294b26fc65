//! Orders as they are packed: entry by entry, each with its key and body; all else is made anew from them.

use super::{
    Entry, Orders,
    entry::{AMENDED, Body},
};
use crate::{
    fold::{FoldError, pack, unpack},
    packing::{Reader, Writer},
};

/// The least that an entry takes.
const LEAST_BYTES: usize = 15;

impl Orders {
    pub(in crate::ledger) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Packs the entries from a place on, and the sources.
    pub(in crate::ledger) fn pack(&self, from: usize, into: &mut Writer) {
        into.number(self.sources.len() as u64);
        self.sources.iter().for_each(|source| into.number(u64::from(*source)));
        let entries = self.entries.get(from..).unwrap_or_default();
        into.number(entries.len() as u64);
        into.number(entries.iter().map(|entry| entry.body.bytes(&self.bodies).len() as u64).sum());
        let mut before = 0;
        for (entry, key) in entries.iter().zip(self.keys.get(from..).unwrap_or_default()) {
            into.bytes.push(entry.flags);
            into.bytes.extend_from_slice(&key.to_le_bytes());
            into.signed(entry.time.wrapping_sub(before));
            before = entry.time;
            into.signed(entry.minor);
            into.number(u64::from(entry.currency));
            into.number(u64::from(entry.source));
            into.number(u64::from(entry.body.id));
            into.number(u64::from(entry.body.lines));
            into.bytes.extend_from_slice(entry.body.bytes(&self.bodies));
        }
    }

    /// Packs what is known of entries elsewhere.
    pub(in crate::ledger) fn pack_amendments(&self, into: &mut Writer) {
        match self.rare.as_ref().map(|rare| &rare.amendments).filter(|amendments| !amendments.is_empty()) {
            Some(amendments) => into.sized(&pack(amendments)),
            None => into.sized(&[]),
        }
    }

    /// Adds what was packed.
    pub(in crate::ledger) fn unpack(&mut self, from: &mut Reader<'_>) -> Result<(), FoldError> {
        let sources = from.count(1)?;
        self.sources = (0..sources).map(|_| from.short()).collect::<Result<_, _>>()?;
        let count = from.count(LEAST_BYTES)?;
        self.entries.reserve_exact(count);
        self.keys.reserve_exact(count);
        self.bodies.reserve_exact(from.count(1)?);
        let mut before = 0_i64;
        for _ in 0..count {
            let [flags] = from.array()?;
            self.keys.push(u64::from_le_bytes(from.array()?));
            before = before.wrapping_add(from.signed()?);
            let (minor, currency, source) = (from.signed()?, from.short()?, from.short()?);
            let id = u16::try_from(from.short()?).map_err(|_| FoldError::corrupt("saved state: an id is too long"))?;
            let lines = from.short()?;
            let body = Body { at: u32::try_from(self.bodies.len()).unwrap_or(u32::MAX), id, lines };
            self.bodies.extend_from_slice(from.take(usize::from(id) + lines as usize)?);
            self.entries.push(Entry { time: before, minor, currency, source, body, flags });
        }
        Ok(())
    }

    /// Takes over what is known of entries elsewhere.
    pub(in crate::ledger) fn unpack_amendments(&mut self, from: &mut Reader<'_>) -> Result<(), FoldError> {
        let amendments = from.sized()?;
        if !amendments.is_empty() {
            self.rare.get_or_insert_default().amendments = unpack(amendments)?;
        }
        Ok(())
    }

    /// Makes anew what follows from the entries.
    pub(in crate::ledger) fn derive(&mut self) -> Result<(), FoldError> {
        if crate::ledger::known::is_many(self.keys.len()) {
            let keys = &self.keys;
            self.rare.get_or_insert_default().index.filled(keys.len(), |place| keys[place]);
        }
        if !self.stand_in_order() {
            self.list_times();
        }
        let amended = self.entries.iter().filter(|entry| entry.is(AMENDED)).count();
        let known = self.rare.as_ref().map_or(0, |rare| rare.amendments.len());
        if amended == known { Ok(()) } else { Err(FoldError::corrupt("saved state: an amendment is missing")) }
    }
}
