//! Taking events in: what is known is dropped, the rest is appended by partition, what is bad is kept as dead letters;
//! all of it is durable before anyone is told.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use tiermesh_domain::{
    fact::{Parsed, Refusal},
    hash,
};
use tiermesh_event_log::{LogError, NewRecord, Producer, topics::CUSTOMER_EVENTS};
use tokio::time::Instant;

use crate::{
    answer::Denial,
    appending::{BadEvent, DeadLetters, Outlet, Pending, Recent, fact_record},
    live::Gate,
    settings::Settings,
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
    traceparent: Option<String>,
}

/// Events on their way, not durable yet.
pub(crate) struct InFlight {
    pending: Pending,
    outcomes: Vec<Outcome>,
    fresh: Vec<(u128, u64)>,
    bad: Vec<BadEvent>,
    deadline: Instant,
}

/// Takes events in.
pub(crate) struct Intake {
    pub(crate) outlet: Outlet,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) recent: Recent,
    pub(crate) gate: Gate,
    pub(crate) partitions: u32,
    pub(crate) settings: Settings,
}

impl Intake {
    pub(crate) async fn lane(&self, traceparent: Option<String>) -> Result<Lane, Denial> {
        Ok(Lane { producer: self.outlet.producer().await?, traceparent })
    }

    /// Hands the events over to the log.
    pub(crate) async fn take(
        &self,
        lane: &Lane,
        events: Vec<Result<Parsed, Box<BadEvent>>>,
    ) -> Result<InFlight, Denial> {
        let deadline = Instant::now() + self.settings.ack_limit;
        if events.iter().any(Result::is_ok) {
            self.gate.pass().await?;
        }
        let mut flight = InFlight {
            pending: Pending::until(deadline),
            outcomes: Vec::with_capacity(events.len()),
            fresh: Vec::new(),
            bad: Vec::new(),
            deadline,
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
            let record = fact_record(fact, lane.traceparent.as_deref());
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
        for (partition, records) in groups {
            let sent = flight.pending.send(&lane.producer, CUSTOMER_EVENTS.name, partition, records).await;
            self.watch(lane, sent).await?;
        }
        Ok(flight)
    }

    /// Waits until they are durable.
    pub(crate) async fn settle(&self, lane: &Lane, flight: InFlight) -> Result<Vec<Outcome>, Denial> {
        let InFlight { pending, outcomes, fresh, bad, deadline } = flight;
        let (appended, kept) = futures::join!(pending.acknowledged(), self.dead_letters.keep(bad, deadline));
        self.watch(lane, appended).await?;
        self.recent.note(&fresh);
        kept?;
        Ok(outcomes)
    }

    async fn watch(&self, lane: &Lane, result: Result<(), LogError>) -> Result<(), Denial> {
        if let Err(LogError::DeliveryFailed(_)) = &result {
            self.outlet.discard(&lane.producer).await;
        }
        Ok(result?)
    }
}
