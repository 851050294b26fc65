//! From the text of a policy file to a checked policy, or an error with line, column and remedy.

use std::{collections::BTreeMap, ops::Range};

use toml::Spanned;

use super::{
    detectors::DetectorSettings,
    raw::{Kind, Number, Text},
    tiers::{Policy, Valuation},
};
use crate::{exact::parse_scaled, money::decimals_of, time::Zone};

/// How far back a policy may look: facts older than this are not kept one by one.
pub(super) const HORIZON_DAYS: u32 = 1_100;

/// What a policy file can be.
#[derive(Debug, Clone)]
pub enum Document {
    /// Decides tiers.
    Tiers(Box<Policy>),
    /// Settings of the loss signals.
    Detectors(Box<DetectorSettings>),
}

/// What is wrong with a policy file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct PolicyError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what is allowed.
    pub message: String,
}

/// Reads and checks a policy file.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Document, PolicyError> {
    let reader = Reader { text };
    let kind: Kind = reader.deserialize()?;
    match kind.kind.as_ref().map(|kind| kind.get_ref().as_str()) {
        None | Some("tiers") => reader.policy().map(|policy| Document::Tiers(Box::new(policy))),
        Some("loss-signals") => reader.detectors().map(|settings| Document::Detectors(Box::new(settings))),
        Some(other) => {
            let span = kind.kind.as_ref().map_or(0..0, Spanned::span);
            Err(reader.error(&span, format!("kind {other:?} is not one of tiers, loss-signals")))
        }
    }
}

pub(super) struct Reader<'a> {
    text: &'a str,
}

pub(super) type Checked<T> = Result<T, PolicyError>;

impl Reader<'_> {
    pub(super) fn deserialize<T: serde::de::DeserializeOwned>(&self) -> Checked<T> {
        toml::from_str(self.text).map_err(|error| self.error(&error.span().unwrap_or(0..0), error.message().to_owned()))
    }

    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>) -> PolicyError {
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        PolicyError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }

    pub(super) fn valuation(&self, currency: &Text, rates: &BTreeMap<String, Spanned<Number>>) -> Checked<Valuation> {
        let Some(decimals) = decimals_of(currency.get_ref()) else {
            let message = format!("{:?} is not an ISO 4217 currency code such as \"GBP\"", currency.get_ref());
            return Err(self.error(&currency.span(), message));
        };
        let mut rates_millionths = BTreeMap::new();
        for (code, rate) in rates {
            if decimals_of(code).is_none() {
                return Err(self.error(&rate.span(), format!("{code:?} is not an ISO 4217 currency code")));
            }
            let value = self.number(rate, 6)?;
            if value <= 0 {
                return Err(self.error(&rate.span(), "a rate must be above 0"));
            }
            rates_millionths.insert(code.clone(), value);
        }
        Ok(Valuation { currency: currency.get_ref().clone(), decimals, rates_millionths })
    }

    pub(super) fn one_of<T: Copy>(&self, given: Option<&Text>, names: &[(&str, T)], default: T) -> Checked<T> {
        let Some(given) = given else { return Ok(default) };
        names.iter().find(|(name, _)| name == given.get_ref()).map(|(_, value)| *value).ok_or_else(|| {
            let allowed: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            self.error(&given.span(), format!("{:?} is not one of {}", given.get_ref(), allowed.join(", ")))
        })
    }

    pub(super) fn name(&self, text: &Text) -> Checked<String> {
        let name = text.get_ref();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(self.error(&text.span(), format!("{name:?}: a name has 1 to 64 letters, digits, - and _")));
        }
        Ok(name.clone())
    }

    pub(super) fn zone(&self, text: Option<&Text>) -> Checked<Zone> {
        let Some(text) = text else { return Ok(Zone::utc()) };
        Zone::named(text.get_ref()).ok_or_else(|| {
            self.error(
                &text.span(),
                format!("{:?} is not a time zone such as \"Europe/London\" or \"UTC\"", text.get_ref()),
            )
        })
    }

    pub(super) fn window(&self, days: &Spanned<u32>) -> Checked<u32> {
        match *days.get_ref() {
            days @ 1..=HORIZON_DAYS => Ok(days),
            other => Err(self.error(&days.span(), format!("{other} days: a window has 1 to {HORIZON_DAYS} days"))),
        }
    }

    pub(super) fn at_least_one(&self, value: &Spanned<u32>) -> Checked<u32> {
        match *value.get_ref() {
            0 => Err(self.error(&value.span(), "versions begin with 1")),
            version => Ok(version),
        }
    }

    pub(super) fn positive(&self, value: &Spanned<i64>) -> Checked<i64> {
        match *value.get_ref() {
            value @ 1..=1_000_000 => Ok(value),
            other => Err(self.error(&value.span(), format!("{other} is not between 1 and 1,000,000"))),
        }
    }

    pub(super) fn probability(&self, value: &Spanned<f64>) -> Checked<f64> {
        let p = *value.get_ref();
        if p > 0.0 && p < 1.0 { Ok(p) } else { Err(self.error(&value.span(), "must be between 0 and 1")) }
    }

    /// A share above 0 and at most 1, in millionths.
    pub(super) fn share(&self, number: &Spanned<Number>) -> Checked<i64> {
        match self.number(number, 6)? {
            share @ 1..=1_000_000 => Ok(share),
            _ => Err(self.error(&number.span(), "must be above 0 and at most 1")),
        }
    }

    pub(super) fn number(&self, number: &Spanned<Number>, decimals: u32) -> Checked<i64> {
        let text = number.get_ref().as_text();
        parse_scaled(&text, decimals).map_err(|error| {
            self.error(&number.span(), format!("{text:?}: {error}; a number such as \"0.95\" is meant"))
        })
    }
}
