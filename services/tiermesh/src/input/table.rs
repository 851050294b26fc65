//! CSV: a row is an event, by a mapping.

use csv::{ByteRecord, ReaderBuilder};
use serde_json::Value;

use super::{Event, mapping::Mapping, source::Source};
use crate::cli::CommandError;

/// Longest cell taken, in bytes.
const LONGEST_CELL: usize = 64 << 10;

/// So many cells are kept of a row that gives no event.
const KEPT_CELLS: usize = 200;
/// So much of a cell is kept of a row that gives no event.
const KEPT_OF_CELL: usize = 4 << 10;

/// A row as it can be shown: what stands in which column.
fn columns(header: &[String], row: &ByteRecord) -> Value {
    let cells = row.iter().enumerate().take(KEPT_CELLS).map(|(at, cell)| {
        let column = header.get(at).cloned().unwrap_or_else(|| format!("column {}", at + 1));
        let cell = cell.get(..KEPT_OF_CELL).unwrap_or(cell);
        (column, String::from_utf8_lossy(cell).into_owned().into())
    });
    Value::Object(cells.collect())
}

pub(super) fn read(
    source: Source,
    mapping: Mapping,
) -> Result<impl Iterator<Item = Result<Event, CommandError>> + Send + use<>, CommandError> {
    let Source { name, text } = source;
    // A row of another length is that row's own fault.
    let mut rows = ReaderBuilder::new().delimiter(mapping.delimiter).flexible(true).from_reader(text);
    let header = rows.byte_headers().map_err(|error| format!("{name}: {error}"))?;
    let header: Vec<String> = header.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    let places = mapping.places(&header).map_err(|reason| format!("{name}: {reason}"))?;
    let mut row = ByteRecord::new();
    Ok(std::iter::from_fn(move || {
        match rows.read_byte_record(&mut row) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(error) => return Some(Err(format!("{name}: {error}").into())),
        }
        let line = row.position().map_or(0, csv::Position::line);
        let cell =
            |at: usize| std::str::from_utf8(row.get(at).unwrap_or_default()).map_err(|_| "is not UTF-8".to_owned());
        // A quote that is never closed takes the rest of the file with it: that is worth telling by its name.
        let json = match row.iter().any(|cell| cell.len() > LONGEST_CELL) {
            true => Err(format!("a cell is longer than {LONGEST_CELL} bytes; is a quote not closed?")),
            false => mapping.event(places, cell).map(|event| event.to_string().into_bytes()),
        };
        let row = json.is_err().then(|| columns(&header, &row));
        Some(Ok(Event { place: format!("{name}:{line}"), json, row }))
    }))
}
