//! Taking events in: what is known is dropped, the rest is appended by partition, what is bad is kept as dead letters;
//! all of it is durable before anyone is told.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use opentelemetry::global::BoxedSpan;
use tiermesh_domain::{
    fact::{Parsed, Refusal},
    hash,
};
use tiermesh_event_log::{LogError, NewRecord, Producer, topics::CUSTOMER_EVENTS};
use tokio::time::Instant;

use crate::{
    answer::Denial,
    appending::{BadEvent, DeadLetters, Outlet, Pending, Recent, fact_record},
    clock::Clock,
    live::Gate,
    metrics::{Door, Metrics},
    settings::Settings,
    trace::Trace,
};

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Status {
    Accepted,
    Duplicate,
    Refused(Refusal),
}

/// What is told about an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    /// Fields of `data` that nothing reads.
    pub(crate) ignored: Vec<String>,
}

/// One request's way to the log: its events keep their order.
pub(crate) struct Lane {
    producer: Arc<dyn Producer>,
    trace: Trace,
    door: Door,
    /// How long the log may take.
    patience: Duration,
}

/// Events on their way, not durable yet.
pub(crate) struct InFlight {
    pending: Pending,
    outcomes: Vec<Outcome>,
    fresh: Vec<(u128, u64)>,
    bad: Vec<BadEvent>,
    deadline: Instant,
    sources: BTreeSet<String>,
    /// End when all of it is durable.
    spans: Vec<BoxedSpan>,
}

/// Takes events in.
pub(crate) struct Intake {
    pub(crate) outlet: Outlet,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) recent: Recent,
    pub(crate) gate: Gate,
    pub(crate) partitions: u32,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    /// What the log is called in traces.
    pub(crate) system: &'static str,
}

impl Lane {
    /// For events that come by another door than HTTP.
    pub(crate) fn by(self, door: Door) -> Self {
        Self { door, ..self }
    }

    /// For events that nobody waits for an answer to: the log may take this long.
    pub(crate) fn patiently(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same way, for events of another trace.
    pub(crate) fn of_trace(&self, traceparent: Option<String>) -> Self {
        Self { producer: Arc::clone(&self.producer), trace: Trace::of(traceparent), ..*self }
    }
}

impl Intake {
    /// To be called while the request's span is current; `traceparent` is what the request brought.
    pub(crate) async fn lane(&self, traceparent: Option<String>) -> Result<Lane, Denial> {
        let (producer, trace) = (self.outlet.producer().await?, Trace::of(traceparent));
        Ok(Lane { producer, trace, door: Door::Http, patience: self.settings.ack_limit })
    }

    /// Hands the events over to the log.
    pub(crate) async fn take(
        &self,
        lane: &Lane,
        events: Vec<Result<Parsed, Box<BadEvent>>>,
    ) -> Result<InFlight, Denial> {
        let deadline = Instant::now() + lane.patience;
        if events.iter().any(Result::is_ok) {
            self.gate.pass().await?;
        }
        let mut flight = InFlight {
            pending: Pending::until(deadline),
            outcomes: Vec::with_capacity(events.len()),
            fresh: Vec::new(),
            bad: Vec::new(),
            deadline,
            sources: BTreeSet::new(),
            spans: Vec::new(),
        };
        let mut here = HashMap::new();
        let mut groups: BTreeMap<u32, Vec<NewRecord>> = BTreeMap::new();
        for event in events {
            let Parsed { fact, ignored } = match event {
                Ok(parsed) => parsed,
                Err(bad) => {
                    let status = Status::Refused(bad.refusal.clone());
                    flight.outcomes.push(Outcome { status, ignored: Vec::new() });
                    flight.bad.push(*bad);
                    continue;
                }
            };
            let identity = hash::identity_of(&[&fact.source, &fact.id, &fact.subject]);
            let partition = hash::partition_of(&fact.subject, self.partitions);
            if !flight.sources.contains(&fact.source) {
                flight.sources.insert(fact.source.clone());
            }
            let record = fact_record(fact);
            let content = hash::content_of(&record.value);
            // The same name with other content is for the fold to judge: it keeps the conflict.
            let known_here = match here.entry(identity) {
                Entry::Occupied(earlier) => *earlier.get() == content,
                Entry::Vacant(vacant) => {
                    vacant.insert(content);
                    false
                }
            };
            if known_here || self.recent.knows(identity, content) {
                flight.outcomes.push(Outcome { status: Status::Duplicate, ignored });
                continue;
            }
            flight.fresh.push((identity, content));
            flight.outcomes.push(Outcome { status: Status::Accepted, ignored });
            groups.entry(partition).or_default().push(record);
        }
        for (partition, mut records) in groups {
            flight.spans.extend(lane.trace.send(self.system, partition, &mut records));
            let sent = flight.pending.send(&lane.producer, CUSTOMER_EVENTS.name, partition, records).await;
            self.watch(lane, sent).await?;
        }
        Ok(flight)
    }

    /// Waits until they are durable.
    pub(crate) async fn settle(&self, lane: &Lane, flight: InFlight) -> Result<Vec<Outcome>, Denial> {
        let InFlight { pending, outcomes, fresh, bad, deadline, sources, spans } = flight;
        let (appended, kept) = futures::join!(pending.acknowledged(), self.dead_letters.keep(bad, deadline));
        drop(spans);
        self.watch(lane, appended).await?;
        self.recent.note(&fresh);
        kept?;
        self.metrics.count(lane.door, &outcomes);
        self.metrics.heard(&sources, self.clock.now_ms());
        Ok(outcomes)
    }

    async fn watch(&self, lane: &Lane, result: Result<(), LogError>) -> Result<(), Denial> {
        if let Err(LogError::DeliveryFailed(_)) = &result {
            self.outlet.discard(&lane.producer).await;
        }
        Ok(result?)
    }
}
