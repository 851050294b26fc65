//! The demo's past: a year of real invoices, moved in time so that the year ends now.
//!
//! Some weekly customers are moved a little further back, each so that the last of its orders leaves the window of
//! `frequency_drop` minutes from now: by then nothing but the passing of time reports them.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
};

use tempfile::NamedTempFile;
use tiermesh_domain::time::{DAY_MS, Millis, format_instant, parse_instant};

use crate::cli::CommandError;

/// Derived from Online Retail II (UCI, CC BY 4.0): see data/README.md.
const INVOICES: &[u8] = include_bytes!("../../../../../data/online_retail_2009_2010.csv.gz");

/// Customers that are about to be missed: the last order, the window that it leaves, and in how many seconds.
const ABOUT_TO_BE_MISSED: [Missed; 4] = [
    Missed { customer: "16029", last_order: "530721", window_days: 30, in_seconds: 45 },
    Missed { customer: "12921", last_order: "533959", window_days: 30, in_seconds: 90 },
    Missed { customer: "14646", last_order: "536329", window_days: 30, in_seconds: 135 },
    Missed { customer: "17377", last_order: "535418", window_days: 30, in_seconds: 210 },
];

struct Missed {
    customer: &'static str,
    last_order: &'static str,
    window_days: i64,
    in_seconds: i64,
}

/// The past, ready to be sent.
pub struct Past {
    /// The invoices, as the mapping `retail` reads them.
    pub file: NamedTempFile,
    /// Where it ends.
    pub until: Millis,
    /// Who goes on ordering.
    pub shoppers: Vec<Shopper>,
}

/// A customer who goes on ordering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shopper {
    /// Who.
    pub customer: String,
    /// What its invoices came to.
    pub amounts: Vec<String>,
}

struct Row<'a> {
    invoice: &'a str,
    customer: &'a str,
    time: Millis,
    lines: &'a str,
    amount: &'a str,
    country: &'a str,
}

impl<'a> Row<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let mut cells = line.splitn(6, ',');
        Some(Self {
            invoice: cells.next()?,
            customer: cells.next()?,
            time: parse_instant(cells.next()?)?,
            lines: cells.next()?,
            amount: cells.next()?,
            country: cells.next()?,
        })
    }
}

impl Past {
    /// The invoices moved so that they end at `now`.
    pub fn until(now: Millis) -> Result<Self, CommandError> {
        let mut text = String::new();
        flate2::read::GzDecoder::new(INVOICES).read_to_string(&mut text)?;
        let rows: Vec<Row<'_>> = text.lines().skip(1).filter_map(Row::of).collect();
        let moved_by = now - rows.iter().map(|row| row.time).max().unwrap_or_default();
        let missed = missed(&rows, now);
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile()?;
        writeln!(file, "{}", text.lines().next().unwrap_or_default())?;
        for row in &rows {
            let by = missed.get(row.customer).copied().unwrap_or(moved_by);
            let Row { invoice, customer, time, lines, amount, country } = row;
            writeln!(file, "{invoice},{customer},{},{lines},{amount},{country}", format_instant(time + by))?;
        }
        file.flush()?;
        Ok(Self { file, until: now, shoppers: shoppers(&rows) })
    }
}

/// By how much the customers that are about to be missed are moved.
fn missed(rows: &[Row<'_>], now: Millis) -> BTreeMap<&'static str, Millis> {
    let by = |missed: &Missed| {
        let last = rows.iter().find(|row| row.invoice == missed.last_order)?;
        let leaves = now + missed.in_seconds * 1_000 - missed.window_days * DAY_MS;
        Some((missed.customer, leaves - last.time))
    };
    ABOUT_TO_BE_MISSED.iter().filter_map(by).collect()
}

/// Everybody else, with what their invoices came to.
fn shoppers(rows: &[Row<'_>]) -> Vec<Shopper> {
    let mut amounts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let orders = rows.iter().filter(|row| !row.amount.starts_with('-'));
    for row in orders.filter(|row| ABOUT_TO_BE_MISSED.iter().all(|missed| missed.customer != row.customer)) {
        amounts.entry(row.customer).or_default().push(row.amount.to_owned());
    }
    let shopper = |(customer, amounts): (&str, Vec<String>)| Shopper { customer: customer.to_owned(), amounts };
    amounts.into_iter().map(shopper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_ends_now_and_whom_time_will_report_has_ordered_before() {
        let now = 1_800_000_000_000;
        let past = Past::until(now).unwrap();
        let text = std::fs::read_to_string(past.file.path()).unwrap();
        let rows: Vec<Row<'_>> = text.lines().skip(1).filter_map(Row::of).collect();
        assert_eq!(rows.len(), 22_686);
        assert_eq!(rows.iter().map(|row| row.time).max(), Some(now));
        for missed in &ABOUT_TO_BE_MISSED {
            let of_customer = rows.iter().filter(|row| row.customer == missed.customer);
            let last = of_customer.filter(|row| !row.amount.starts_with('-')).max_by_key(|row| row.time).unwrap();
            assert_eq!(last.invoice, missed.last_order);
            assert_eq!(last.time, now + missed.in_seconds * 1_000 - missed.window_days * DAY_MS);
            assert!(past.shoppers.iter().all(|shopper| shopper.customer != missed.customer));
        }
        assert!(past.shoppers.len() > 4_000);
    }
}
