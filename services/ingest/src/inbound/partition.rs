//! One inbound partition on its way to the log: in order, a bounded part of it in flight, and done with only when the
//! log has acknowledged it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{StreamExt, future::try_join_all, stream::FuturesOrdered};
use opentelemetry::{KeyValue, global::BoxedSpan, trace::SpanKind};
use tiermesh_event_log::kafka::inbound::{InboundPartition, InboundRecord};
use tiermesh_service_host::telemetry::{is_sampled, span_of, traceparent_of};
use tokio::time::Instant;

use super::reading::{TopicRules, examine, traceparent};
use crate::{answer::Denial, events::Lane, metrics::Door, service::Service};

/// Records that are taken at once.
const AT_ONCE: usize = 500;
/// So many times that may be on their way.
const IN_FLIGHT: usize = 3;
/// Nobody waits for an answer: what the log has not acknowledged yet, it will.
const PATIENCE: Duration = Duration::from_secs(600);
const LEAST_PAUSE: Duration = Duration::from_millis(500);
const MOST_PAUSE: Duration = Duration::from_secs(30);
/// How long a partition that goes to another member waits for what is on its way.
const LET_GO_WITHIN: Duration = Duration::from_secs(8);

/// Reads it until the group takes it away.
pub(super) async fn read(partition: InboundPartition, rules: TopicRules, service: Arc<Service>) {
    let reading = Reading { partition, rules, service };
    let mut waiting = VecDeque::new();
    let (mut pause, mut stuck_at) = (LEAST_PAUSE, None);
    while let Err(denial) = reading.go_on(&mut waiting).await {
        let first = waiting.front().and_then(|records| records.first()).map(|record| record.offset);
        if stuck_at != first {
            (pause, stuck_at) = (LEAST_PAUSE, first);
        }
        let (topic, number) = (reading.partition.topic(), reading.partition.partition());
        tracing::warn!("inbound topic `{topic}`, partition {number} waits: {denial}");
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if !reading.partition.is_open() {
                // Whoever reads it next begins where this one was done.
                return;
            }
            tokio::time::sleep(LEAST_PAUSE).await;
        }
        pause = (pause * 2).min(MOST_PAUSE);
    }
}

struct Reading {
    partition: InboundPartition,
    rules: TopicRules,
    service: Arc<Service>,
}

impl Reading {
    /// Goes on with what waits, which was read and may not be in the log, and then with what comes. Returns when the
    /// partition is taken away.
    async fn go_on(&self, waiting: &mut VecDeque<Vec<InboundRecord>>) -> Result<(), Denial> {
        let lane = self.service.intake.lane(None).await?.by(Door::Kafka).patiently(PATIENCE);
        let mut flying = FuturesOrdered::new();
        for records in &*waiting {
            flying.push_back(self.append(&lane, records).await?);
        }
        let mut open = true;
        while open {
            tokio::select! {
                read = self.partition.next(AT_ONCE), if flying.len() < IN_FLIGHT => match read {
                    Ok(records) => {
                        // They wait from here on: they are not read again, even if they can't be handed over now.
                        waiting.push_back(records);
                        if let Some(records) = waiting.back() {
                            flying.push_back(self.append(&lane, records).await?);
                        }
                    }
                    Err(_) => open = false,
                },
                Some(settled) = flying.next() => {
                    settled?;
                    self.first_is_done(waiting);
                }
            }
            // A log that is away must not keep the group from going on.
            open &= self.partition.is_open();
        }
        let settling = async {
            while let Some(settled) = flying.next().await {
                settled?;
                self.first_is_done(waiting);
            }
            Ok(())
        };
        tokio::time::timeout(LET_GO_WITHIN, settling).await.unwrap_or(Ok(()))
    }

    fn first_is_done(&self, waiting: &mut VecDeque<Vec<InboundRecord>>) {
        if let Some(last) = waiting.pop_front().and_then(|records| records.last().map(|record| record.offset)) {
            self.partition.done(last + 1);
        }
    }

    /// Hands records over to the log, in order; what is given ends when all of them are durable.
    async fn append(
        &self,
        lane: &Lane,
        records: &[InboundRecord],
    ) -> Result<impl Future<Output = Result<(), Denial>> + use<'_>, Denial> {
        let mut flights = Vec::new();
        for run in records.chunk_by(|one, next| traceparent(one) == traceparent(next)) {
            let span = self.span(run);
            let trace = span.as_ref().and_then(traceparent_of);
            let lane = lane.of_trace(trace.or_else(|| run.first().and_then(traceparent).map(str::to_owned)));
            let place = (self.partition.topic(), self.partition.partition());
            let examined =
                run.iter().map(|record| examine(&self.service.examiner, &self.rules, place, record)).collect();
            let flight = self.service.intake.take(&lane, examined).await?;
            flights.push(async move {
                let settled = self.service.intake.settle(&lane, flight).await;
                drop(span);
                settled
            });
        }
        Ok(async move { try_join_all(flights).await.map(drop) })
    }

    /// The span of taking in records of one trace, or of none, which begin one.
    fn span(&self, run: &[InboundRecord]) -> Option<BoxedSpan> {
        let parent = run.first().and_then(traceparent);
        if parent.is_some_and(|parent| !is_sampled(parent)) {
            return None;
        }
        let topic = self.partition.topic();
        let attributes = vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.destination.name", topic.to_owned()),
            KeyValue::new("messaging.destination.partition.id", self.partition.partition().to_string()),
            KeyValue::new("messaging.batch.message_count", run.len() as i64),
        ];
        let span = span_of(parent, format!("process {topic}"), SpanKind::Consumer, &[], attributes);
        // A trace that begins here and isn't recorded is of no use to anyone.
        (parent.is_some() || traceparent_of(&span).is_some_and(|traceparent| is_sampled(&traceparent))).then_some(span)
    }
}
