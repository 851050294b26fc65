//! Mappings: which column of a table is what of an event.

use jiff::{
    civil::DateTime,
    fmt::strtime,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tiermesh_domain::time::{format_instant, parse_instant};

use crate::cli::CommandError;

/// A mapping, checked.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    pub(super) delimiter: u8,
    columns: Columns,
    source: String,
    currency: Option<String>,
    timestamps: Timestamps,
}

#[derive(Debug, Clone)]
enum Timestamps {
    Rfc3339,
    Format(String, TimeZone),
}

/// A mapping as it stands in its file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: String,
    currency: Option<String>,
    delimiter: Option<String>,
    timestamp_format: Option<String>,
    time_zone: Option<String>,
    columns: Columns,
}

/// The names of the columns.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    invoice: String,
    customer_id: String,
    timestamp: String,
    amount: String,
    currency: Option<String>,
}

/// Where the columns are in one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    invoice: usize,
    customer_id: usize,
    timestamp: usize,
    amount: usize,
    currency: Option<usize>,
}

/// The ready mapping `retail`.
const RETAIL: &str = include_str!("retail.toml");

impl Mapping {
    /// The ready mapping of that name, or the one in that file.
    pub(super) fn named(name: &str) -> Result<Self, CommandError> {
        let text = match name {
            "retail" => RETAIL.to_owned(),
            file => std::fs::read_to_string(file).map_err(|error| {
                format!("--mapping {file}: {error}; it names the ready mapping `retail` or a mapping file")
            })?,
        };
        Self::parse(&text).map_err(|reason| format!("--mapping {name}: {reason}").into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let delimiter = match file.delimiter.as_deref().map(str::as_bytes) {
            None => b',',
            Some([delimiter]) => *delimiter,
            Some(_) => return Err("delimiter must be a single ASCII character".to_owned()),
        };
        let zone = match file.time_zone {
            None => TimeZone::UTC,
            Some(name) => TimeZoneDatabase::bundled()
                .get(&name)
                .map_err(|_| format!("time_zone {name:?} is not a zone such as \"Europe/London\""))?,
        };
        if file.currency.is_none() && file.columns.currency.is_none() {
            return Err("currency is missing: either `currency = \"GBP\"` for all rows, or `currency` under [columns]"
                .to_owned());
        }
        let timestamps = match file.timestamp_format {
            None => Timestamps::Rfc3339,
            Some(format) => Timestamps::Format(format, zone),
        };
        Ok(Self { delimiter, columns: file.columns, source: file.source, currency: file.currency, timestamps })
    }

    /// Finds the columns by the table's first row.
    pub(super) fn places(&self, header: &[String]) -> Result<Places, String> {
        let columns = &self.columns;
        let wanted = [&columns.invoice, &columns.customer_id, &columns.timestamp, &columns.amount];
        let find = |name: &String| header.iter().position(|column| column == name);
        let missing: Vec<&str> = wanted
            .into_iter()
            .chain(&columns.currency)
            .filter(|name| find(name).is_none())
            .map(String::as_str)
            .collect();
        match wanted.map(find) {
            [Some(invoice), Some(customer_id), Some(timestamp), Some(amount)] if missing.is_empty() => {
                let currency = columns.currency.as_ref().and_then(find);
                Ok(Places { invoice, customer_id, timestamp, amount, currency })
            }
            _ => Err(format!(
                "no column {}; the columns are: {}; the mapping wants: {}",
                missing.join(", "),
                if header.is_empty() { "none".to_owned() } else { header.join(", ") },
                wanted.into_iter().chain(&columns.currency).map(String::as_str).collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// The event that a row is; an error names the column.
    pub(super) fn event<'a>(
        &self,
        places: Places,
        cell: impl Fn(usize) -> Result<&'a str, String>,
    ) -> Result<Value, String> {
        let columns = &self.columns;
        let read = |at: usize, column: &str| match cell(at).map(str::trim) {
            Ok("") => Err(format!("{column}: is missing")),
            other => other.map_err(|reason| format!("{column}: {reason}")),
        };
        let invoice = read(places.invoice, &columns.invoice)?;
        let customer = read(places.customer_id, &columns.customer_id)?;
        let timestamp = read(places.timestamp, &columns.timestamp)?;
        let time = self.timestamps.read(timestamp).map_err(|reason| format!("{}: {reason}", columns.timestamp))?;
        let amount = read(places.amount, &columns.amount)?;
        let (is_refund, amount) = signed(amount)
            .ok_or_else(|| format!("{}: {amount:?} is not a number such as 139.12 or -139.12", columns.amount))?;
        let currency = match (places.currency, &columns.currency) {
            (Some(at), Some(column)) => read(at, column)?,
            _ => self.currency.as_deref().unwrap_or_default(),
        };
        let (id, kind, data) = if is_refund {
            let data = json!({"refund_id": invoice, "currency": currency, "amount": amount});
            (format!("r-{invoice}"), "tiermesh.order.refunded", data)
        } else {
            let data = json!({"order_id": invoice, "currency": currency, "amount": amount});
            (format!("o-{invoice}"), "tiermesh.order.placed", data)
        };
        Ok(json!({
            "specversion": "1.0", "id": id, "source": self.source, "type": kind, "subject": customer, "time": time,
            "data": data,
        }))
    }
}

impl Timestamps {
    fn read(&self, text: &str) -> Result<String, String> {
        match self {
            Self::Rfc3339 => parse_instant(text)
                .map(format_instant)
                .ok_or_else(|| format!("{text:?} is not an instant such as 2010-12-01T08:26:00Z")),
            Self::Format(format, zone) => {
                let wrong = |error: jiff::Error| format!("{text:?} is not an instant as {format:?}: {error}");
                let broken_down = strtime::parse(format, text).map_err(wrong)?;
                // An offset in the text itself goes before the mapping's zone.
                let instant = match broken_down.offset() {
                    Some(_) => broken_down.to_timestamp().map_err(wrong)?,
                    None => {
                        let local: DateTime = broken_down.to_datetime().map_err(wrong)?;
                        zone.to_ambiguous_timestamp(local).compatible().map_err(wrong)?
                    }
                };
                Ok(format_instant(instant.as_millisecond()))
            }
        }
    }
}

/// Whether a decimal is below zero, and its absolute value as text.
fn signed(text: &str) -> Option<(bool, &str)> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let is_number = digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().filter(|byte| *byte == b'.').count() <= 1;
    let is_zero = digits.bytes().all(|byte| byte == b'0' || byte == b'.');
    is_number.then_some((negative && !is_zero, digits))
}
