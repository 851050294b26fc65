//! What ingest is measured by. Names stand here as Prometheus and OTLP show them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge},
};
use tiermesh_domain::time::Millis;
use tiermesh_service_host::telemetry::meter;

use crate::events::{Outcome, Status};

/// Sources that are told apart; the rest are `other`.
const MOST_SOURCES: usize = 200;
/// Longest name of a source that is told.
const LONGEST_SOURCE: usize = 200;

/// Where events come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Http,
    Grpc,
    Kafka,
    History,
}

impl Door {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Kafka => "kafka",
            Self::History => "history",
        }
    }
}

/// Counts events, and when each source was heard last.
pub(crate) struct Metrics {
    events: Counter<u64>,
    last_event: Gauge<f64>,
    rate_limited: Counter<u64>,
    sources: Mutex<BTreeSet<String>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = meter();
        Self {
            events: meter
                .u64_counter("tiermesh_ingest_events_total")
                .with_description("Events that came in, by door and what became of them")
                .build(),
            last_event: meter
                .f64_gauge("tiermesh_ingest_source_last_event_timestamp_seconds")
                .with_description("When the last event of a source was taken in")
                .build(),
            rate_limited: meter
                .u64_counter("tiermesh_ingest_rate_limited_total")
                .with_description("Requests that were refused because their source, or key, had sent too much")
                .build(),
            sources: Mutex::default(),
        }
    }

    /// Counts what became of events.
    pub(crate) fn count<'a>(&self, door: Door, outcomes: impl IntoIterator<Item = &'a Outcome>) {
        let mut counts = [0; 3];
        for outcome in outcomes {
            counts[match outcome.status {
                Status::Accepted => 0,
                Status::Duplicate => 1,
                Status::Refused(_) => 2,
            }] += 1;
        }
        self.add(door, counts);
    }

    /// Counts so many that were accepted, duplicates, refused.
    pub(crate) fn add(&self, door: Door, counts: [u64; 3]) {
        for (result, events) in ["accepted", "duplicate", "refused"].into_iter().zip(counts) {
            if events > 0 {
                let labels = [KeyValue::new("door", door.name()), KeyValue::new("result", result)];
                self.events.add(events, &labels);
            }
        }
    }

    /// Notes that these sources were heard.
    pub(crate) fn heard(&self, sources: &BTreeSet<String>, now_ms: Millis) {
        for source in sources {
            self.last_event.record(now_ms as f64 / 1_000.0, &[KeyValue::new("source", self.told(source))]);
        }
    }

    /// Counts a request over the rate limit of a source, or of a key by its name.
    pub(crate) fn rate_limited(&self, sender: &str) {
        self.rate_limited.add(1, &[KeyValue::new("source", self.told(sender))]);
    }

    /// The name under which a source is told.
    fn told(&self, source: &str) -> String {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if !sources.contains(source) {
            if sources.len() >= MOST_SOURCES || source.len() > LONGEST_SOURCE {
                return "other".to_owned();
            }
            sources.insert(source.to_owned());
        }
        source.to_owned()
    }
}

/// Up to when ticks stand in the log.
pub(crate) fn tick_gauge() -> Gauge<f64> {
    let about = "The last tick that stands in the log; only the instance that holds control sets it";
    meter().f64_gauge("tiermesh_ingest_tick_timestamp_seconds").with_description(about).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_beyond_the_limit_are_others() {
        let metrics = Metrics::new();
        for number in 0..MOST_SOURCES {
            assert_eq!(metrics.told(&format!("shop/{number}")), format!("shop/{number}"));
        }
        assert_eq!(metrics.told("one more"), "other");
        assert_eq!(metrics.told("shop/7"), "shop/7");
        assert_eq!(metrics.told(&"x".repeat(LONGEST_SOURCE + 1)), "other");
    }
}
