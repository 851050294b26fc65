//! From the text of a routes file to checked routes, or an error with line, column and remedy.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use toml::Spanned;

use super::{
    Channel, Route, Routes, Under, Wants,
    raw::{RawRoute, RawRoutes, RawWebhook, Text},
    secrets::Surroundings,
};
use crate::news::{Direction, Severity};

/// Unless the file says otherwise.
const STALE_AFTER_HOURS: i64 = 72;
/// A hundred years.
const MOST_HOURS: i64 = 876_000;
/// Each has a task of its own.
const MOST_ROUTES: usize = 100;

const DIRECTIONS: [(&str, Direction); 4] =
    [("up", Direction::Up), ("down", Direction::Down), ("first", Direction::First), ("other", Direction::Other)];
const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
const STATES: [&str; 3] = ["raised", "cleared", "lost"];

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

type Checked<T> = Result<T, Wrong>;

/// Reads the text of a routes file.
pub(super) fn read(text: &str, surroundings: &Surroundings) -> Checked<Routes> {
    let reader = Reader { text, surroundings };
    let raw: RawRoutes =
        toml::from_str(text).map_err(|error| reader.wrong(&error.span().unwrap_or(0..0), error.message()))?;
    let stale_after_hours = match &raw.stale_after_hours {
        None => STALE_AFTER_HOURS,
        Some(hours) if (1..=MOST_HOURS).contains(hours.get_ref()) => *hours.get_ref(),
        Some(hours) => {
            let message = format!("{} is not between 1 and {MOST_HOURS} hours", hours.get_ref());
            return Err(reader.wrong(&hours.span(), message));
        }
    };
    if raw.routes.is_empty() {
        return Err(reader.wrong(&(0..0), "there is no [[routes]]: nobody would be told anything"));
    }
    if let Some(beyond) = raw.routes.get(MOST_ROUTES) {
        return Err(reader.wrong(&beyond.span(), format!("there are more than {MOST_ROUTES} routes")));
    }
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for route in &raw.routes {
        let route = reader.route(route, &mut names)?;
        all.push(route);
    }
    let stale_after = Duration::from_secs(stale_after_hours.unsigned_abs() * 60 * 60);
    Ok(Routes { all, stale_after })
}

struct Reader<'a> {
    text: &'a str,
    surroundings: &'a Surroundings,
}

impl Reader<'_> {
    fn wrong(&self, span: &Range<usize>, message: impl Into<String>) -> Wrong {
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Wrong {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }

    fn route(&self, spanned: &Spanned<RawRoute>, names: &mut BTreeSet<String>) -> Checked<Route> {
        let raw = spanned.get_ref();
        let name = self.name(&raw.name)?;
        if !names.insert(name.clone()) {
            return Err(self.wrong(&raw.name.span(), format!("there are two routes named {name:?}: rename one")));
        }
        Ok(Route {
            wants: self.wants(raw)?,
            severity: self.one_of(raw.severity.as_ref(), &SEVERITIES)?.unwrap_or(Severity::Info),
            history: raw.history,
            channel: self.channel(spanned)?,
            name,
        })
    }

    fn wants(&self, raw: &RawRoute) -> Checked<Wants> {
        let under = || {
            Ok(Under {
                programmes: self.list(raw.programmes.as_ref())?,
                policies: self.list(raw.policies.as_ref())?,
                tiers: self.list(raw.tiers.as_ref())?,
            })
        };
        let of_tiers = [&raw.programmes, &raw.policies, &raw.tiers].map(|list| list.as_ref().map(Spanned::span));
        let of_signals = [&raw.detectors, &raw.states].map(|list| list.as_ref().map(Spanned::span));
        let direction = raw.direction.as_ref().map(Spanned::span);
        let not_for = |spans: &mut dyn Iterator<Item = &Option<Range<usize>>>, what: &str| match spans.flatten().next()
        {
            Some(span) => Err(self.wrong(span, format!("this doesn't go with what = {what:?}: leave it out"))),
            None => Ok(()),
        };
        match raw.what.get_ref().as_str() {
            what @ "tier-changes" => {
                not_for(&mut of_signals.iter(), what)?;
                let direction = self.one_of(raw.direction.as_ref(), &DIRECTIONS)?;
                Ok(Wants::TierChanges { under: under()?, direction })
            }
            what @ "signals" => {
                not_for(&mut [direction].iter(), what)?;
                let states = self.list(raw.states.as_ref())?;
                for (state, written) in states.iter().zip(raw.states.iter().flat_map(|list| list.get_ref())) {
                    if !STATES.contains(&state.as_str()) {
                        let message = format!("{state:?} is not one of {}", STATES.join(", "));
                        return Err(self.wrong(&written.span(), message));
                    }
                }
                Ok(Wants::Signals { under: under()?, detectors: self.list(raw.detectors.as_ref())?, states })
            }
            what @ "operations" => {
                not_for(&mut of_tiers.iter().chain(&of_signals).chain(&[direction]), what)?;
                Ok(Wants::Operations)
            }
            other => {
                let message = format!("{other:?} is not one of tier-changes, signals, operations");
                Err(self.wrong(&raw.what.span(), message))
            }
        }
    }

    fn channel(&self, spanned: &Spanned<RawRoute>) -> Checked<Channel> {
        let raw = spanned.get_ref();
        match (&raw.webhook, &raw.log) {
            (Some(webhook), None) => self.webhook(webhook),
            (None, Some(_)) => Ok(Channel::Log),
            (None, None) => {
                let name = raw.name.get_ref();
                let message =
                    format!("route {name:?} leads nowhere: add webhook = {{ url = …, secret_env = … }} or log = {{}}");
                Err(self.wrong(&raw.name.span(), message))
            }
            (Some(_), Some(log)) => {
                Err(self.wrong(&log.span(), "a route has one channel: make another route for the other"))
            }
        }
    }

    fn webhook(&self, webhook: &Spanned<RawWebhook>) -> Checked<Channel> {
        let raw = webhook.get_ref();
        let url = reqwest::Url::parse(raw.url.get_ref()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            // Not repeated: an address may hold a secret.
            return Err(self.wrong(&raw.url.span(), "this is not an address such as https://example.com/hooks"));
        };
        if !url.username().is_empty() || url.password().is_some() {
            let message = "the address holds a user or password: leave it out; what is sent is signed";
            return Err(self.wrong(&raw.url.span(), message));
        }
        let given = [&raw.secret, &raw.secret_env, &raw.secret_file];
        let mut given = given.into_iter().flatten();
        let (Some(first), None) = (given.next(), given.next()) else {
            let message = "a webhook is signed: name one of secret_env, secret_file or secret";
            return Err(self.wrong(&webhook.span(), message));
        };
        let secrets = match raw {
            RawWebhook { secret_env: Some(name), .. } => self.surroundings.variable(name.get_ref()),
            RawWebhook { secret_file: Some(path), .. } => self.surroundings.file(path.get_ref()),
            _ => Ok(first.get_ref().clone()),
        };
        let signers = secrets.and_then(|secrets| super::secrets::signers(&secrets));
        Ok(Channel::Webhook { url, signers: signers.map_err(|message| self.wrong(&first.span(), message))? })
    }

    fn name(&self, text: &Text) -> Checked<String> {
        let name = text.get_ref();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(self.wrong(&text.span(), format!("{name:?}: a name has 1 to 64 letters, digits, - and _")));
        }
        Ok(name.clone())
    }

    fn list(&self, list: Option<&Spanned<Vec<Text>>>) -> Checked<Vec<String>> {
        let Some(list) = list else { return Ok(Vec::new()) };
        if list.get_ref().is_empty() {
            return Err(self.wrong(&list.span(), "an empty list fits nothing: leave it out to leave nothing out"));
        }
        Ok(list.get_ref().iter().map(|text| text.get_ref().clone()).collect())
    }

    fn one_of<T: Copy>(&self, given: Option<&Text>, names: &[(&str, T)]) -> Checked<Option<T>> {
        let Some(given) = given else { return Ok(None) };
        let found = names.iter().find(|(name, _)| name == given.get_ref()).map(|(_, value)| Some(*value));
        found.ok_or_else(|| {
            let allowed: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            self.wrong(&given.span(), format!("{:?} is not one of {}", given.get_ref(), allowed.join(", ")))
        })
    }
}
