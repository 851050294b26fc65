//! Batches: events of a file as one NDJSON body, and where each of its lines came from.

use super::unreadable::BadRow;
use crate::{cli::CommandError, input::Event};

/// Most events in a batch.
pub(super) const MOST_EVENTS: usize = 2_000;
/// A batch is closed once it is that large.
const MOST_BYTES: usize = 2 << 20;

/// Events to be sent at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// One event a line.
    pub(super) body: Vec<u8>,
    /// `file:line` of each.
    pub(super) places: Vec<String>,
    /// Rows that gave no event.
    pub(super) bad_rows: Vec<BadRow>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.places.len() + self.bad_rows.len() >= MOST_EVENTS || self.body.len() >= MOST_BYTES
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty() && self.bad_rows.is_empty()
    }

    fn add(&mut self, event: Event) {
        match event.json {
            Ok(json) => {
                self.body.extend_from_slice(&json);
                self.body.push(b'\n');
                self.places.push(event.place);
            }
            Err(reason) => self.bad_rows.push(BadRow { place: event.place, reason, row: event.row }),
        }
    }

    /// The place of a line of the body, from 1.
    pub(super) fn place(&self, line: u64) -> String {
        let at = usize::try_from(line).unwrap_or_default().wrapping_sub(1);
        self.places.get(at).cloned().unwrap_or_default()
    }
}

/// Groups events into batches.
pub(super) fn batches(
    mut events: impl Iterator<Item = Result<Event, CommandError>>,
) -> impl Iterator<Item = Result<Batch, CommandError>> {
    let mut failed = None;
    std::iter::from_fn(move || {
        if let Some(error) = failed.take() {
            return Some(Err(error));
        }
        let mut batch = Batch::default();
        while !batch.is_full() {
            match events.next() {
                None => break,
                Some(Ok(event)) => batch.add(event),
                // What came before it in the file goes out first.
                Some(Err(error)) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        match failed.take_if(|_| batch.is_empty()) {
            Some(error) => Some(Err(error)),
            None => (!batch.is_empty()).then_some(Ok(batch)),
        }
    })
}
