//! NDJSON: a line is an event, whatever stands in it.

use std::io::{self, BufRead};

use super::{Event, source::Source};
use crate::cli::CommandError;

/// No event is that long; nothing longer is kept in memory.
const LONGEST_LINE: usize = 1 << 20;

pub(super) fn read(
    source: Source,
) -> Result<impl Iterator<Item = Result<Event, CommandError>> + Send + use<>, CommandError> {
    let Source { name, mut text } = source;
    let mut number = 0_u64;
    Ok(std::iter::from_fn(move || {
        loop {
            let line = match next_line(&mut text) {
                Ok(line) => line?,
                Err(error) => return Some(Err(format!("{name}: {error}").into())),
            };
            number += 1;
            let json = match line {
                Some(line) if line.trim_ascii().is_empty() => continue,
                Some(line) => Ok(line),
                None => Err(format!("the line is longer than {LONGEST_LINE} bytes")),
            };
            return Some(Ok(Event { place: format!("{name}:{number}"), json, row: None }));
        }
    }))
}

/// The next line without its end; `Some(None)`: it is too long. `None`: there is none.
fn next_line(text: &mut dyn BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    let mut too_long = false;
    let mut any = false;
    loop {
        let ready = text.fill_buf()?;
        if ready.is_empty() {
            break;
        }
        any = true;
        let end = ready.iter().position(|byte| *byte == b'\n');
        let part = ready.get(..end.unwrap_or(ready.len())).unwrap_or_default();
        too_long |= line.len() + part.len() > LONGEST_LINE;
        if !too_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        text.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(any.then_some((!too_long).then_some(line)))
}
