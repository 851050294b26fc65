//! One record as a line: for people, or as JSON.

use serde_json::{Value, json};
use tiermesh_domain::{
    exact::{format_scaled, format_trimmed},
    lines,
    money::decimals_of,
    time::{Millis, format_instant},
};
use tiermesh_event_log::{
    LogError, Record,
    topics::{CHURN_SIGNALS, CUSTOMER_EVENTS, DEAD_LETTERS, NOTIFICATION_DELIVERIES, TIER_CHANGES},
};
use tiermesh_proto::v1::{DeadLetter, Delivery, LossSignal, Resolution, TierChange, customer_event::Event};

use super::fact::described;
use crate::dead_letters::became;

/// What can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum What {
    /// What was taken in.
    Events,
    /// Tier changes.
    Changes,
    /// Loss signals raised and ended.
    Signals,
    /// What became of telling somebody.
    Deliveries,
    /// What was refused, and what became of it.
    DeadLetters,
}

impl What {
    pub(super) fn topic(self) -> &'static str {
        match self {
            Self::Events => CUSTOMER_EVENTS.name,
            Self::Changes => TIER_CHANGES.name,
            Self::Signals => CHURN_SIGNALS.name,
            Self::Deliveries => NOTIFICATION_DELIVERIES.name,
            Self::DeadLetters => DEAD_LETTERS.name,
        }
    }

    /// Whether a customer's records stand in the customer's own partition.
    pub(super) fn is_by_customer(self) -> bool {
        matches!(self, Self::Events | Self::Changes | Self::Signals)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Events => "event",
            Self::Changes => "change",
            Self::Signals => "signal",
            Self::Deliveries => "delivery",
            Self::DeadLetters => "dead-letter",
        }
    }
}

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) at_ms: Millis,
    pub(super) customer: String,
    what: What,
    place: String,
    text: String,
    data: Value,
}

impl Line {
    /// The line of a record; none for one that says nothing to people (ticks, new figures of a signal).
    pub(super) fn of(what: What, partition: u32, record: &Record) -> Result<Option<Self>, LogError> {
        let place = format!("{partition}-{}", record.offset);
        let line = |at_ms: Millis, customer: String, text: String, data: Value| {
            Some(Self { at_ms, customer, what, place, text, data })
        };
        Ok(match what {
            What::Events => match CUSTOMER_EVENTS.decode(record)?.event {
                Some(Event::Fact(fact)) => {
                    let (kind, data) = described(&fact);
                    let text = format!("{}  {}", kind.trim_start_matches("tiermesh."), shown(&data));
                    let event = json!({
                        "id": fact.id, "source": fact.source, "type": kind, "subject": fact.subject,
                        "time": format_instant(fact.time_ms), "data": data,
                    });
                    line(fact.time_ms, fact.subject, format!("{text}  ({})", fact.source), event)
                }
                _ => None,
            },
            What::Changes => {
                let change = TIER_CHANGES.decode(record)?;
                let (text, data) = (change_text(&change), parsed(&lines::change(&change)));
                line(change.at_ms, change.customer, text, data)
            }
            What::Signals => {
                let signal = CHURN_SIGNALS.decode(record)?;
                match lines::signal(&signal) {
                    None => None,
                    Some(data) => {
                        let text = signal_text(&signal);
                        line(signal.at_ms, signal.customer, text, parsed(&data))
                    }
                }
            }
            What::Deliveries => {
                let delivery = NOTIFICATION_DELIVERIES.decode(record)?;
                let (text, data) = (delivery_text(&delivery), delivery_json(&delivery));
                line(delivery.at_ms, delivery.customer, text, data)
            }
            What::DeadLetters => {
                let letter = DEAD_LETTERS.decode(record)?;
                let (text, data) = match &letter.resolution {
                    None => (letter_text(&letter), letter_json(&letter)),
                    Some(resolution) => resolution_shown(&format!("{partition}-{}", resolution.offset), resolution),
                };
                line(letter.received_ms, letter.subject, text, data)
            }
        })
    }

    pub(super) fn text(&self) -> String {
        let customer = if self.customer.is_empty() { "–" } else { &self.customer };
        // What comes from outside must not move the cursor.
        let text = format!("{}  {:<11} {customer:<10} {}", format_instant(self.at_ms), self.what.name(), self.text);
        text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
    }

    pub(super) fn json(&self) -> String {
        json!({"what": self.what.name(), "at": format_instant(self.at_ms), "place": self.place, "data": self.data})
            .to_string()
    }
}

/// What was written as JSON a moment ago.
fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_default()
}

/// `amount 139.12, currency GBP`.
fn shown(data: &Value) -> String {
    let pair = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    };
    data.as_object().map(|data| data.iter().map(pair).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

fn change_text(change: &TierChange) -> String {
    let from = change.from.as_deref().unwrap_or("none");
    let score = change.score_e4.map(|score| format!(", score {}", format_trimmed(score.into(), 4)));
    let metrics = change.metrics.iter().map(|metric| format!(", {} {}", metric.name, metric.value)).collect::<String>();
    format!("{}: {from} → {}  ({}{}{metrics})", change.policy, change.to, change.cause, score.unwrap_or_default())
}

fn signal_text(signal: &LossSignal) -> String {
    let window = signal.window_days.map(|days| format!(" in {days} days")).unwrap_or_default();
    let decimals = decimals_of(&signal.currency).unwrap_or(2);
    format!(
        "{} {}  (observed {}, expected {:.2}{window}; at stake {} {})",
        signal.detector,
        signal.state,
        signal.observed,
        signal.expected,
        format_scaled(signal.at_stake_minor.into(), decimals),
        signal.currency
    )
}

fn delivery_text(delivery: &Delivery) -> String {
    let kind = delivery.kind.trim_start_matches("tiermesh.");
    let reason = if delivery.reason.is_empty() { String::new() } else { format!(": {}", delivery.reason) };
    let Delivery { route, channel, state, attempts, .. } = delivery;
    format!("{kind} by {route} ({channel}): {state}, attempts {attempts}{reason}")
}

fn delivery_json(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id, "route": delivery.route, "channel": delivery.channel, "target": delivery.target,
        "type": delivery.kind, "customer": delivery.customer, "state": delivery.state, "attempts": delivery.attempts,
        "at": format_instant(delivery.at_ms), "reason": delivery.reason, "cause_id": delivery.cause_id,
        "cause_source": delivery.cause_source,
    })
}

fn letter_text(letter: &DeadLetter) -> String {
    let field = if letter.field.is_empty() { String::new() } else { format!("{}: ", letter.field) };
    format!("{field}{}  ({} {})", letter.reason, letter.source, letter.id)
}

/// What became of the letter of that id, which is the one that `dead-letters` takes.
fn resolution_shown(id: &str, resolution: &Resolution) -> (String, Value) {
    let (state, became) = became(resolution);
    let text = match resolution.id.is_empty() {
        true => format!("{id} {state}: {}", resolution.reason),
        false => format!("{id} {state} by {} {}", resolution.source, resolution.id),
    };
    (text, json!({"letter": id, "state": state, "became": became}))
}

fn letter_json(letter: &DeadLetter) -> Value {
    json!({
        "field": letter.field, "reason": letter.reason, "source": letter.source, "id": letter.id,
        "subject": letter.subject, "received": format_instant(letter.received_ms), "content_type": letter.content_type,
        "original": String::from_utf8_lossy(&letter.original),
    })
}
