//! Reading the fields of an event's `data`, each error naming the field and what is allowed.

use std::fmt;

use smallvec::SmallVec;
use tiermesh_proto::v1::Attribute;

use super::json::{Json, Members};
use crate::{exact::DecimalError, money, time};

/// Why an event was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", if .field.is_empty() { .reason.clone() } else { format!("{}: {}", .field, .reason) })]
pub struct Refusal {
    /// The field that is wrong, as a path from the event (`data.lines[2].amount`); empty where the whole is.
    pub field: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Refusal {
    /// A refusal for that field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

/// Longest identifier taken, in bytes.
const LONGEST_NAME: usize = 256;
/// Longest free text taken, in bytes.
const LONGEST_TEXT: usize = 16 * 1024;

/// Where an object stands in its event. Made into a text only where something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    object: &'static str,
    /// One of the objects in this array.
    item: Option<(&'static str, usize)>,
}

impl Path {
    /// The event itself.
    pub(super) const WHOLE: Self = Self { object: "", item: None };
    /// Its data.
    pub(super) const DATA: Self = Self { object: "data", item: None };
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            None => f.write_str(self.object),
            Some((array, at)) => write!(f, "{}.{array}[{at}]", self.object),
        }
    }
}

/// The fields of one JSON object, remembering which were read.
pub(super) struct Fields<'a> {
    path: Path,
    object: &'a Members<'a>,
    read: SmallVec<[&'static str; 8]>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(path: Path, value: &'a Json<'a>) -> Result<Self, Refusal> {
        match value {
            Json::Object(object) => Ok(Self { path, object, read: SmallVec::new() }),
            _ => Err(Refusal::new(path.to_string(), "must be a JSON object")),
        }
    }

    /// The names in the object that nothing read, as paths.
    pub(super) fn ignored(&self) -> Vec<String> {
        self.object.keys().filter(|key| !self.read.contains(&&***key)).map(|key| self.at(key)).collect()
    }

    pub(super) fn at(&self, name: &str) -> String {
        if self.path.object.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The field's value; absent and null are the same.
    pub(super) fn get(&mut self, name: &'static str) -> Option<&'a Json<'a>> {
        self.get_or_null(name).filter(|value| **value != Json::Null)
    }

    /// The field's value, telling null from absent.
    pub(super) fn get_or_null(&mut self, name: &'static str) -> Option<&'a Json<'a>> {
        self.read.push(name);
        self.object.get(name)
    }

    pub(super) fn refuse<T>(&self, name: &str, reason: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal::new(self.at(name), reason))
    }

    fn required<T>(&self, name: &str, found: Option<T>) -> Result<T, Refusal> {
        found.ok_or_else(|| Refusal::new(self.at(name), "is missing"))
    }

    /// An identifier: not empty, at most 256 bytes.
    pub(super) fn name(&mut self, name: &'static str) -> Result<String, Refusal> {
        let found = self.optional_name(name)?;
        self.required(name, found)
    }

    /// An identifier that may be absent. Whole numbers are taken as their digits.
    pub(super) fn optional_name(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Json::Text(text)) => text.clone().into_owned(),
            Some(Json::Number(number)) if number.as_i64().is_some() => number.to_string(),
            Some(_) => return self.refuse(name, "must be a string"),
        };
        if text.is_empty() {
            return self.refuse(name, "must not be empty");
        }
        if text.len() > LONGEST_NAME {
            return self.refuse(name, format!("is longer than {LONGEST_NAME} bytes"));
        }
        if text.chars().any(char::is_control) {
            return self.refuse(name, "must not hold control characters");
        }
        Ok(Some(text))
    }

    /// Free text that may be absent.
    pub(super) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) if text.len() <= LONGEST_TEXT => Ok(Some(text.clone().into_owned())),
            Some(Json::Text(_)) => self.refuse(name, format!("is longer than {LONGEST_TEXT} bytes")),
            Some(_) => self.refuse(name, "must be a string"),
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<String, Refusal> {
        let found = self.optional_text(name)?;
        self.required(name, found)
    }

    /// One of a fixed set of words.
    pub(super) fn word(&mut self, name: &'static str, allowed: &[&str]) -> Result<String, Refusal> {
        let found = self.optional_word(name, allowed)?;
        self.required(name, found)
    }

    pub(super) fn optional_word(&mut self, name: &'static str, allowed: &[&str]) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) if allowed.contains(&&**text) => Ok(Some(text.clone().into_owned())),
            Some(other) => self.refuse(name, format!("{other} is not one of {}", allowed.join(", "))),
        }
    }

    /// An ISO 4217 code, and how many decimals its amounts have.
    pub(super) fn currency(&mut self, name: &'static str) -> Result<(String, u32), Refusal> {
        let found = self.optional_currency(name)?;
        self.required(name, found)
    }

    pub(super) fn optional_currency(&mut self, name: &'static str) -> Result<Option<(String, u32)>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(code)) => match money::decimals_of(code) {
                Some(decimals) => Ok(Some((code.clone().into_owned(), decimals))),
                None => self.refuse(name, format!("{code:?} is not an ISO 4217 currency code such as \"GBP\"")),
            },
            Some(_) => self.refuse(name, "must be a string"),
        }
    }

    /// A decimal as an integer count of 10^−`decimals`: a string, or a JSON number.
    pub(super) fn decimal(&mut self, name: &'static str, decimals: u32) -> Result<i64, Refusal> {
        let found = self.optional_decimal(name, decimals)?;
        self.required(name, found)
    }

    pub(super) fn optional_decimal(&mut self, name: &'static str, decimals: u32) -> Result<Option<i64>, Refusal> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Json::Text(text)) => text,
            Some(Json::Number(number)) => number.as_str(),
            Some(_) => return self.refuse(name, "must be a decimal number, as a string (\"139.12\")"),
        };
        match money::parse_amount(text, decimals) {
            Ok(value) => Ok(Some(value)),
            Err(DecimalError::NotANumber) => {
                self.refuse(name, format!("{text:?} is not a decimal number such as \"139.12\""))
            }
            Err(DecimalError::TooManyDecimals(most)) => {
                self.refuse(name, format!("{text:?} has more than {most} decimals"))
            }
            Err(DecimalError::TooLarge) => self.refuse(name, format!("{text:?} is too large")),
        }
    }

    /// A decimal that must not be below zero.
    pub(super) fn not_negative(&mut self, name: &'static str, decimals: u32) -> Result<i64, Refusal> {
        match self.decimal(name, decimals)? {
            value if value < 0 => self.refuse(name, "must not be below 0"),
            value => Ok(value),
        }
    }

    /// A decimal that must be above zero.
    pub(super) fn positive(&mut self, name: &'static str, decimals: u32) -> Result<i64, Refusal> {
        match self.decimal(name, decimals)? {
            value if value <= 0 => self.refuse(name, "must be above 0"),
            value => Ok(value),
        }
    }

    /// A decimal in millionths, within bounds that are whole numbers.
    pub(super) fn within(&mut self, name: &'static str, least: i64, most: i64) -> Result<Option<i64>, Refusal> {
        match self.optional_decimal(name, 6)? {
            Some(value) if value < least * 1_000_000 || value > most * 1_000_000 => {
                self.refuse(name, format!("must be between {least} and {most}"))
            }
            found => Ok(found),
        }
    }

    pub(super) fn optional_bool(&mut self, name: &'static str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Bool(value)) => Ok(Some(*value)),
            Some(_) => self.refuse(name, "must be true or false"),
        }
    }

    /// An ISO 8601 date, kept as text.
    pub(super) fn date(&mut self, name: &'static str) -> Result<String, Refusal> {
        let text = self.text(name)?;
        match time::parse_date(&text) {
            Some(_) => Ok(text),
            None => self.refuse(name, format!("{text:?} is not a date such as \"2026-11-22\"")),
        }
    }

    pub(super) fn optional_instant(&mut self, name: &'static str) -> Result<Option<i64>, Refusal> {
        match self.optional_text(name)? {
            None => Ok(None),
            Some(text) => match instant(&text) {
                Some(at) => Ok(Some(at)),
                None => self.refuse(name, format!("{text:?} is not an instant such as \"2026-11-22T08:26:00Z\"")),
            },
        }
    }

    /// All fields as they are, by name; nulls as empty text.
    pub(super) fn all(&self) -> Vec<Attribute> {
        self.object.iter().map(|(name, value)| attribute(name, value)).collect()
    }

    /// An array of strings; absent: empty.
    pub(super) fn names(&mut self, name: &'static str) -> Result<Vec<String>, Refusal> {
        let Some(found) = self.get(name) else { return Ok(Vec::new()) };
        let strings = match found {
            Json::Array(items) => items.iter().map(|item| item.as_text().map(str::to_owned)).collect(),
            _ => None,
        };
        match strings {
            Some(strings) => Ok(strings),
            None => self.refuse(name, "must be an array of strings"),
        }
    }

    /// An array of objects; absent: empty.
    pub(super) fn items(&mut self, name: &'static str) -> Result<Vec<Fields<'a>>, Refusal> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Json::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(at, item)| Fields::of(Path { item: Some((name, at)), ..self.path }, item))
                .collect(),
            Some(_) => self.refuse(name, "must be an array"),
        }
    }
}

/// An RFC 3339 instant between the years 1900 and 2200.
pub(super) fn instant(text: &str) -> Option<i64> {
    const LEAST: i64 = -2_208_988_800_000;
    const MOST: i64 = 7_258_118_400_000;
    time::parse_instant(text).filter(|at| (LEAST..MOST).contains(at))
}

/// A named JSON value; null becomes empty text.
pub(super) fn attribute(name: &str, value: &Json<'_>) -> Attribute {
    Attribute { name: name.to_owned(), json: if *value == Json::Null { String::new() } else { value.to_string() } }
}
