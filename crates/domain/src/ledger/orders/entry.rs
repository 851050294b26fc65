//! One order, or refund that names none, as it was placed.

use super::Line;
use crate::{
    ledger::tight,
    names::NameId,
    packing::{Reader, Writer},
    policy::CountsWhen,
    time::Millis,
};

/// It was placed.
pub(super) const PLACED: u8 = 1;
/// It is paid.
pub(super) const PAID: u8 = 1 << 1;
/// It is fulfilled.
pub(super) const FULFILLED: u8 = 1 << 2;
/// It is cancelled.
pub(super) const CANCELLED: u8 = 1 << 3;
/// It is a refund that names no order.
pub(super) const REFUND: u8 = 1 << 4;
/// It was corrected, or refunded: more is known of it elsewhere.
pub(super) const AMENDED: u8 = 1 << 5;

/// One order or refund; the fields up to `body` are of its placing, and mean nothing before it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub(super) time: Millis,
    pub(super) minor: i64,
    pub(super) currency: NameId,
    pub(super) source: NameId,
    pub(super) body: Body,
    pub(super) flags: u8,
}

/// Where the id of its event and its lines stand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Body {
    pub(super) at: u32,
    /// Bytes of the id. No id that ingest accepts has more than 256; of a longer one the beginning is kept.
    pub(super) id: u16,
    /// Bytes of the lines.
    pub(super) lines: u32,
}

/// Bytes of a line: a category of two bytes at most, a quantity below a hundred.
const USUAL_LINE: usize = 6;

impl Body {
    /// Adds a body to those that are there.
    pub(super) fn add(bodies: &mut Vec<u8>, id: &str, lines: impl Iterator<Item = Line>) -> Self {
        let at = bodies.len();
        let id = &id[..id.floor_char_boundary(usize::from(u16::MAX))];
        tight::make_room(bodies, id.len() + lines.size_hint().0 * USUAL_LINE);
        let mut writer = Writer { bytes: std::mem::take(bodies) };
        writer.bytes.extend_from_slice(id.as_bytes());
        for line in lines {
            writer.number(u64::from(line.category));
            writer.signed(line.quantity);
        }
        *bodies = writer.bytes;
        let lines = bodies.len() - at - id.len();
        // A customer's bodies never come to 4 GiB: that is a hundred million orders.
        Self { at: u32::try_from(at).unwrap_or(u32::MAX), id: id.len() as u16, lines: lines as u32 }
    }

    /// Its bytes.
    pub(super) fn bytes(self, bodies: &[u8]) -> &[u8] {
        let from = self.at as usize;
        bodies.get(from..from + usize::from(self.id) + self.lines as usize).unwrap_or_default()
    }
}

impl Entry {
    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn is_refund(&self) -> bool {
        self.is(REFUND)
    }

    pub(super) fn is_amended(&self) -> bool {
        self.is(AMENDED)
    }

    /// Whether it happened: an order that others only speak of hasn't yet.
    pub(super) fn has_time(&self) -> bool {
        self.is(PLACED | REFUND)
    }

    /// Whether it counts, unless it is refunded to nothing.
    pub(super) fn may_count(&self, counts_when: CountsWhen) -> bool {
        let reached = match counts_when {
            CountsWhen::Placed => true,
            CountsWhen::Paid => self.is(PAID),
            CountsWhen::Fulfilled => self.is(FULFILLED),
        };
        self.is(PLACED) && !self.is(CANCELLED) && reached
    }

    /// The id of the event that placed it.
    pub(super) fn id<'a>(&self, bodies: &'a [u8]) -> &'a str {
        let id = self.body.bytes(bodies).get(..usize::from(self.body.id)).unwrap_or_default();
        std::str::from_utf8(id).unwrap_or_default()
    }

    /// Its lines as it was placed.
    pub(super) fn lines<'a>(&self, bodies: &'a [u8]) -> impl Iterator<Item = Line> + use<'a> {
        let lines = self.body.bytes(bodies).get(usize::from(self.body.id)..).unwrap_or_default();
        let mut reader = Reader::new(lines);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            Some(Line { category: reader.short().ok()?, quantity: reader.signed().ok()? })
        })
    }
}
