//! Results: what each contender measured in each round, as a table for people and as JSON for the report.

use std::{collections::BTreeMap, fs, path::Path};

use comfy_table::{CellAlignment, Table as Grid, presets::UTF8_FULL_CONDENSED};
use serde::{Deserialize, Serialize};

use crate::{Failure, machine::Machine};

/// All that one benchmark found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// Its subcommand.
    pub benchmark: String,
    /// The command line.
    pub command: String,
    /// When it began.
    pub date: String,
    /// Where.
    pub machine: Machine,
    /// What was chosen: sizes, rounds.
    pub settings: BTreeMap<String, String>,
    /// The figures.
    pub tables: Vec<Table>,
    /// What was checked, and held; anything else that has to be known to read the figures.
    pub notes: Vec<String>,
}

/// Contenders that can be compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// What was measured.
    pub columns: Vec<Column>,
    /// One for each contender.
    pub rows: Vec<Row>,
}

/// One quantity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Column {
    /// Its name in rounds.
    pub key: String,
    /// Its heading, with the unit.
    pub heading: String,
    /// Decimals shown.
    pub decimals: usize,
}

/// One contender.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Who.
    pub name: String,
    /// What each round measured, by column.
    pub rounds: Vec<Round>,
    /// The hash of what it said, equal in all rounds; where that is checked.
    pub outputs_sha256: Option<String>,
}

/// What one round measured, by column.
pub type Round = BTreeMap<String, f64>;

/// A round's figures.
pub fn round<const N: usize>(figures: [(&str, f64); N]) -> Round {
    figures.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl Table {
    /// One without contenders: columns are key, heading, decimals.
    pub fn new<const N: usize>(title: impl Into<String>, columns: [(&str, &str, usize); N]) -> Self {
        let column = |(key, heading, decimals): (&str, &str, usize)| Column {
            key: key.into(),
            heading: heading.into(),
            decimals,
        };
        Self { title: title.into(), columns: columns.into_iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds what a contender measured in one round, and the hash of what it said.
    ///
    /// # Errors
    /// If it said something else than in an earlier round.
    pub fn add(&mut self, name: &str, round: Round, outputs_sha256: Option<String>) -> Result<(), Failure> {
        let Some(row) = self.rows.iter_mut().find(|row| row.name == name) else {
            self.rows.push(Row { name: name.to_owned(), rounds: vec![round], outputs_sha256 });
            return Ok(());
        };
        if row.outputs_sha256 != outputs_sha256 {
            let (before, now) = (&row.outputs_sha256, outputs_sha256);
            return Err(format!("{name} gave other outputs than in an earlier round: {before:?}, now {now:?}").into());
        }
        row.rounds.push(round);
        Ok(())
    }

    /// Adds to every round the column `key`: its own `of` divided by that of contender `base` in the same round.
    pub fn add_ratio(&mut self, key: &str, of: &str, base: &str) {
        let Some(base) = self.rows.iter().find(|row| row.name == base).map(|row| row.rounds.clone()) else { return };
        for row in &mut self.rows {
            for (round, base) in row.rounds.iter_mut().zip(&base) {
                if let (Some(own), Some(base)) = (round.get(of), base.get(of)) {
                    let ratio = own / base;
                    round.insert(key.to_owned(), ratio);
                }
            }
        }
    }

    /// Headings, and a line of cells for each contender.
    pub fn cells(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let headings = [String::new()].into_iter().chain(self.columns.iter().map(|column| column.heading.clone()));
        let line = |row: &Row| {
            let cells = self.columns.iter().map(|column| cell(row, column));
            [row.name.clone()].into_iter().chain(cells).collect()
        };
        (headings.collect(), self.rows.iter().map(line).collect())
    }
}

/// The median of a row's rounds, and in brackets the least and the greatest if there are several.
fn cell(row: &Row, column: &Column) -> String {
    let mut values: Vec<f64> = row.rounds.iter().filter_map(|round| round.get(&column.key).copied()).collect();
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(greatest)) = (values.first(), values.last()) else { return "–".to_owned() };
    let shown = |value: f64| number(value, column.decimals);
    let middle = median(&values);
    if values.len() == 1 {
        shown(middle)
    } else {
        format!("{} ({}–{})", shown(middle), shown(*least), shown(*greatest))
    }
}

/// Of sorted values, not none.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// With so many decimals, and its thousands set apart.
fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

impl Results {
    /// Prints the tables.
    pub fn print(&self) {
        for table in &self.tables {
            let (headings, lines) = table.cells();
            let mut grid = Grid::new();
            grid.load_style(UTF8_FULL_CONDENSED).set_header(headings).add_rows(lines);
            for column in grid.column_iter_mut().skip(1) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            println!("\n{}\n{grid}", table.title);
        }
        self.notes.iter().for_each(|note| println!("{note}"));
    }

    /// Writes `NAME.json` to a directory.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, directory: &Path) -> Result<(), Failure> {
        let path = directory.join(format!("{}.json", self.benchmark));
        let written = fs::create_dir_all(directory).and_then(|()| {
            let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
            fs::write(&path, text + "\n")
        });
        written
            .map_err(|error| format!("{} can't be written: {error}; --out names another directory", path.display()))?;
        println!("written to {}", path.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Table {
        let mut table = Table::new("t", [("rate", "records/s", 0), ("ratio", "of the floor", 2)]);
        for (at, value) in values.iter().enumerate() {
            table.add("floor", round([("rate", 1_000_000.0 * (at as f64 + 1.0))]), None).unwrap();
            table.add("own", round([("rate", *value)]), Some("same".to_owned())).unwrap();
        }
        table.add_ratio("ratio", "rate", "floor");
        table
    }

    #[test]
    fn a_cell_shows_the_median_between_its_bounds() {
        let (_, lines) = of(&[500_000.0, 1_500_000.0, 600_000.0]).cells();
        assert_eq!(lines[1], ["own", "600,000 (500,000–1,500,000)", "0.50 (0.20–0.75)"]);
        let (_, lines) = of(&[500_000.0]).cells();
        assert_eq!(lines[0], ["floor", "1,000,000", "1.00"]);
    }

    #[test]
    fn other_outputs_in_a_later_round_are_an_error() {
        let mut table = of(&[1.0]);
        let error = table.add("own", round([("rate", 1.0)]), Some("other".to_owned())).unwrap_err().to_string();
        assert!(error.contains("own gave other outputs"), "{error}");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([number(-1234.56, 1), number(999.0, 0), number(-123.0, 0)], ["-1,234.6", "999", "-123"]);
    }
}
