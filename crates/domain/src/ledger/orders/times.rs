//! Orders and refunds in time.
//!
//! Nearly always they come in the order of their times, and their places say it all. For a customer where they don't,
//! a list of places by (time, orders first, place) is kept.

use super::{Entry, EntryRef, Orders};
use crate::time::Millis;

/// The places in time; `None`: every entry has a time, and they stand in order as they are.
pub(super) type Times = Option<Vec<u32>>;

fn key(entries: &[Entry], place: u32) -> (Millis, bool, u32) {
    let entry = &entries[place as usize];
    (entry.time, entry.is_refund(), place)
}

impl Orders {
    /// The entries after `start` up to and including `end`, by time.
    pub fn between(&self, start: Millis, end: Millis) -> impl DoubleEndedIterator<Item = EntryRef> + '_ {
        let (first, last) = (self.until(start), self.until(end));
        (first..last.max(first)).map(|nth| self.nth_in_time(nth))
    }

    /// All entries that happened, by time.
    pub fn entries(&self) -> impl Iterator<Item = EntryRef> + '_ {
        (0..self.timed()).map(|nth| self.nth_in_time(nth))
    }

    /// The time of the first entry after `start`.
    pub fn first_after(&self, start: Millis) -> Option<Millis> {
        let nth = self.until(start);
        (nth < self.timed()).then(|| self.entries[self.nth_in_time(nth).0 as usize].time)
    }

    /// The time of an entry, once it happened.
    pub fn time(&self, entry: EntryRef) -> Option<Millis> {
        self.entries.get(entry.0 as usize).filter(|known| known.has_time()).map(|known| known.time)
    }

    /// The id of the event that placed the last order or refund in time.
    pub fn last_event_id(&self) -> Option<&str> {
        self.event_id(self.nth_in_time(self.timed().checked_sub(1)?))
    }

    fn times(&self) -> Option<&Vec<u32>> {
        self.rare.as_ref()?.times.as_ref()
    }

    fn timed(&self) -> usize {
        self.times().map_or(self.entries.len(), Vec::len)
    }

    fn nth_in_time(&self, nth: usize) -> EntryRef {
        EntryRef(self.times().map_or(nth as u32, |times| times[nth]))
    }

    /// How many happened up to and including `time`.
    fn until(&self, time: Millis) -> usize {
        match self.times() {
            None => self.entries.partition_point(|entry| entry.time <= time),
            Some(times) => times.partition_point(|place| self.entries[*place as usize].time <= time),
        }
    }

    /// Puts an entry, which has a time now, where it belongs.
    pub(super) fn add_to_times(&mut self, place: u32) {
        let entries = &self.entries;
        if let Some(times) = self.rare.as_mut().and_then(|rare| rare.times.as_mut()) {
            let key_of = |place: u32| key(entries, place);
            let nth = times.partition_point(|known| key_of(*known) < key_of(place));
            times.insert(nth, place);
        } else if place > 0 && (place as usize + 1 < entries.len() || key(entries, place) < key(entries, place - 1)) {
            self.list_times();
        }
    }

    /// Takes out an entry whose time is about to change.
    pub(super) fn remove_from_times(&mut self, place: u32) {
        if self.times().is_none() {
            self.list_times();
        }
        if let Some(times) = self.rare.as_mut().and_then(|rare| rare.times.as_mut()) {
            times.retain(|known| *known != place);
        }
    }

    /// From now on, a list.
    pub(super) fn list_times(&mut self) {
        let entries = &self.entries;
        let mut times: Vec<u32> =
            (0..entries.len() as u32).filter(|place| entries[*place as usize].has_time()).collect();
        times.sort_unstable_by_key(|place| key(entries, *place));
        self.rare.get_or_insert_default().times = Some(times);
    }

    /// Whether their places alone say their order.
    pub(super) fn stand_in_order(&self) -> bool {
        let keys = (0..self.entries.len() as u32).map(|place| key(&self.entries, place));
        self.entries.iter().all(Entry::has_time) && keys.is_sorted()
    }
}
