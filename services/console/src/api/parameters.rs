//! Parameters of a question, read strictly: a name that means nothing is an error, not silence.

use std::collections::BTreeMap;

use axum::extract::RawQuery;

use super::error::Failure;

/// Items on a page unless said otherwise, and at most.
const PAGE: (u32, u32) = (50, 500);

/// The parameters given, by name.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads them; all have to be among the known ones.
    pub(super) fn read(query: RawQuery, known: &[&str]) -> Result<Self, Failure> {
        let text = query.0.unwrap_or_default();
        let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(&uri(&text)?)
            .map_err(|error| Failure::parameter("", format!("the query can't be read: {error}")))?
            .0;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                return Err(Failure::parameter(&name, format!("is not known here; there is {}", known.join(", "))));
            }
            if parameters.insert(name.clone(), value).is_some() {
                return Err(Failure::parameter(&name, "is given twice; give it once"));
            }
        }
        // A field that was left empty in a form is no filter.
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// How many items the page may have.
    pub(super) fn limit(&self) -> Result<u32, Failure> {
        let Some(text) = self.0.get("limit") else { return Ok(PAGE.0) };
        match text.parse() {
            Ok(limit) if (1..=PAGE.1).contains(&limit) => Ok(limit),
            _ => Err(Failure::parameter("limit", format!("{text:?} is not a number from 1 to {}", PAGE.1))),
        }
    }

    /// Where the page begins: the numbers of an earlier page's `next`.
    pub(super) fn after<const N: usize>(&self) -> Result<Option<[i64; N]>, Failure> {
        let Some(text) = self.0.get("after") else { return Ok(None) };
        let numbers: Vec<i64> = text.split('.').map_while(|part| part.parse().ok()).collect();
        match <[i64; N]>::try_from(numbers) {
            Ok(numbers) if text.split('.').count() == N => Ok(Some(numbers)),
            _ => Err(bad_after(text)),
        }
    }

    /// The tier asked for, which needs a policy.
    pub(super) fn tier(&self) -> Result<(Option<String>, Option<String>), Failure> {
        let (policy, tier) = (self.text("policy"), self.text("tier"));
        if tier.is_some() && policy.is_none() {
            return Err(Failure::parameter("tier", "means nothing without a policy; give policy=… too"));
        }
        Ok((policy, tier))
    }
}

pub(super) fn bad_after(text: &str) -> Failure {
    Failure::parameter("after", format!("{text:?} is not the `next` of an earlier page of this list"))
}

fn uri(query: &str) -> Result<axum::http::Uri, Failure> {
    let unreadable = |error| Failure::parameter("", format!("the query can't be read: {error}"));
    axum::http::Uri::try_from(format!("/?{query}")).map_err(unreadable)
}

/// Cuts what is beyond the page, and says where the next one begins.
pub(super) fn cut<T>(rows: &mut Vec<T>, limit: u32, next: impl Fn(&T) -> String) -> Option<String> {
    let is_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    rows.last().filter(|_| is_more).map(next)
}
