//! One partition while it is owned: read, fold, send, save.
//!
//! The save trails the acknowledgements: state after offset o is saved only when every output of every record up to o
//! is in the log. It is packed between two records, so it is the state after o and nothing else.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tiermesh_domain::fold::Fold;
use tiermesh_event_log::{Ack, LogError, NewRecord, PartitionReader, Producer, Record};
use tiermesh_service_host::telemetry::now_seconds;
use tiermesh_store::{Position, SaveStore, Segment};
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use crate::{
    error::RunError,
    metrics::{Metrics, Standing},
    outgoing::Outgoing,
    recovery::Recovered,
    saver::Saver,
    trace_spans::Spans,
};

/// What an owned partition is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Go,
    /// Stop folding; flush and save.
    Release,
    /// Stop: another may be folding already. Save nothing.
    Abandon,
}

/// How many records are folded at a time.
const BATCH: usize = 2_000;
/// How long state may stay unsaved.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How many records may be folded beyond the last save before reading pauses.
const MOST_UNSAVED: u64 = 200_000;
/// Waiting longer than this for the log's acknowledgements is worth a line.
const SLOW_ACK: Duration = Duration::from_secs(10);
/// A partition that can't be saved for so long is given up unsaved: its next owner folds again what wasn't.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);

type Sent = std::pin::Pin<Box<dyn Future<Output = Result<(usize, u64), LogError>> + Send>>;

pub(crate) struct Partition<F> {
    service: &'static str,
    number: u32,
    topic: &'static str,
    spans: Spans,
    metrics: Metrics,
    standing: Arc<Standing>,
    recovered: Recovered<F>,
    producer: Arc<dyn Producer>,
    saver: Saver,
    sent: FuturesUnordered<Sent>,
    unsaved: u64,
    /// Records folded beyond the save that is being written.
    since_begin: u64,
    last_save: Instant,
    /// When the state of the save that is being written was packed, for metrics.
    packed_at: f64,
    /// A save is due, and reading pauses until all outputs are acknowledged. When to say that this takes long.
    flushing: Option<Instant>,
}

impl<F: Fold> Partition<F> {
    pub(crate) fn new(
        spans: Spans,
        metrics: Metrics,
        recovered: Recovered<F>,
        producer: Arc<dyn Producer>,
        store: SaveStore,
    ) -> Self {
        let Spans { service, topic, partition: number, .. } = spans;
        let standing = Arc::new(Standing::default());
        standing.next_offset.store(recovered.next_offset, Ordering::Relaxed);
        let saver = Saver::new(store, recovered.tenure.clone(), recovered.saved_bytes);
        Self {
            service,
            number,
            topic,
            spans,
            metrics,
            standing,
            recovered,
            producer,
            saver,
            sent: FuturesUnordered::new(),
            unsaved: 0,
            since_begin: 0,
            last_save: Instant::now(),
            packed_at: 0.0,
            flushing: None,
        }
    }

    /// Where it stands, for whoever measures it.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// Owns the partition until told otherwise.
    pub(crate) async fn run(
        mut self,
        mut reader: Box<dyn PartitionReader>,
        mut orders: watch::Receiver<Order>,
    ) -> Result<(), RunError> {
        loop {
            if self.flushing.is_some() && self.sent.is_empty() {
                self.begin_save();
            }
            let save_at = self.last_save + SAVE_EVERY;
            let slow_at = self.flushing.unwrap_or(save_at);
            tokio::select! {
                biased;
                changed = orders.changed() => {
                    // Nobody is left to give orders: the service stops.
                    let order = if changed.is_err() { Order::Release } else { *orders.borrow() };
                    match order {
                        Order::Go => {}
                        Order::Release => return self.release().await,
                        Order::Abandon => {
                            info!(service = self.service, partition = self.number, "partition was lost: nothing saved");
                            return Ok(());
                        }
                    }
                }
                done = self.saver.done(), if self.saver.is_writing() => {
                    self.saved(done?);
                    self.unsaved = self.since_begin;
                }
                sent = self.sent.next(), if !self.sent.is_empty() => self.acknowledge(sent)?,
                () = tokio::time::sleep_until(slow_at), if self.flushing.is_some() => self.complain(),
                () = tokio::time::sleep_until(save_at), if self.is_unsaved() => {
                    self.flushing = Some(Instant::now() + SLOW_ACK);
                }
                records = reader.next(BATCH), if self.flushing.is_none() && self.unsaved < MOST_UNSAVED => {
                    self.fold(records?).await?;
                }
            }
        }
    }

    /// Whether the next save may be thought of.
    fn is_unsaved(&self) -> bool {
        self.unsaved > 0 && self.flushing.is_none() && !self.saver.is_writing()
    }

    async fn fold(&mut self, records: Vec<Record>) -> Result<(), RunError> {
        let began = Instant::now();
        let mut outgoing = Vec::new();
        for record in &records {
            let (processing, first) = (self.spans.begin(record), outgoing.len());
            if let Err(error) = self.recovered.engine.apply(record, &mut outgoing) {
                self.spans.fail(processing, &error);
                let (topic, partition, offset) = (self.topic.to_owned(), self.number, record.offset);
                return Err(RunError::Fold { topic, partition, offset, error });
            }
            self.spans.end(processing, record, &mut outgoing[first..]);
            self.recovered.next_offset = record.offset + 1;
        }
        self.metrics.folded(records.len(), began.elapsed());
        self.standing.next_offset.store(self.recovered.next_offset, Ordering::Relaxed);
        self.standing.unsaved.store(true, Ordering::Relaxed);
        if self.unsaved == 0 && !records.is_empty() {
            self.last_save = Instant::now();
        }
        self.unsaved += records.len() as u64;
        self.since_begin += records.len() as u64;
        self.send(outgoing).await
    }

    /// Sends what isn't in the log yet, by output partition, in the order of its numbers.
    async fn send(&mut self, outgoing: Vec<Outgoing>) -> Result<(), RunError> {
        let mut by_output: Vec<Vec<NewRecord>> = vec![Vec::new(); self.recovered.outputs.len()];
        for out in outgoing {
            let is_it = |end: &tiermesh_store::OutputEnd| end.topic == out.topic && end.partition == out.partition;
            let Some(at) = self.recovered.outputs.iter().position(is_it) else {
                // A processor that says what it did not announce: its outputs would not be found after a crash.
                let what = format!("{} does not announce outputs to `{}`", self.service, out.topic);
                return Err(RunError::Log(LogError::Corrupt(what)));
            };
            if let Some(said) = self.recovered.said.get(out.topic).filter(|said| out.sequence <= said.sequence) {
                if out.sequence == said.sequence {
                    // Caught up: from here on a save is of all that stands in the log.
                    self.recovered.outputs[at].end = said.end;
                }
                continue;
            }
            by_output[at].push(out.record);
        }
        for (at, records) in by_output.into_iter().enumerate().filter(|(_, records)| !records.is_empty()) {
            let end = &self.recovered.outputs[at];
            self.metrics.said(&end.topic, records.len());
            let ack: Ack = self.producer.send(&end.topic, end.partition, records).await?;
            self.sent.push(Box::pin(async move { ack.await.map(|offset| (at, offset)) }));
        }
        Ok(())
    }

    fn acknowledge(&mut self, sent: Option<Result<(usize, u64), LogError>>) -> Result<(), RunError> {
        if let Some(sent) = sent {
            let (at, offset) = sent?;
            if let Some(end) = self.recovered.outputs.get_mut(at) {
                end.end = end.end.max(offset + 1);
            }
        }
        Ok(())
    }

    fn complain(&mut self) {
        self.flushing = Some(Instant::now() + SLOW_ACK);
        warn!(
            service = self.service,
            partition = self.number,
            waiting = self.sent.len(),
            "the log has not acknowledged outputs for {} s; is it reachable?",
            SLOW_ACK.as_secs()
        );
    }

    /// Packs the state and begins to write it. All outputs are acknowledged.
    fn begin_save(&mut self) {
        let segment = if self.saver.wants_snapshot() {
            Segment::Snapshot(self.recovered.engine.snapshot())
        } else {
            Segment::Delta(self.recovered.engine.delta())
        };
        let position = Position {
            input_log_id: self.recovered.input.log_id.0.clone(),
            next_offset: self.recovered.next_offset,
            outputs: self.recovered.outputs.clone(),
        };
        self.saver.begin(position, segment);
        self.packed_at = now_seconds();
        self.since_begin = 0;
        self.last_save = Instant::now();
        self.flushing = None;
    }

    /// A save was written, if one was.
    fn saved(&mut self, took: Option<Duration>) {
        let Some(took) = took else { return };
        // While records keep coming there is always something unsaved: what counts is how old that is.
        self.metrics.saved(self.number, self.packed_at, took);
        if self.since_begin == 0 {
            self.standing.unsaved.store(false, Ordering::Relaxed);
        }
    }

    async fn release(mut self) -> Result<(), RunError> {
        let (service, partition, next_offset) = (self.service, self.number, self.recovered.next_offset);
        match tokio::time::timeout(RELEASE_WITHIN, self.flush_and_save()).await {
            Ok(saved) => {
                saved?;
                info!(service, partition, next_offset, "partition released");
            }
            Err(_) => warn!(service, partition, "partition released unsaved: log or database do not answer"),
        }
        Ok(())
    }

    async fn flush_and_save(&mut self) -> Result<(), RunError> {
        let done = self.saver.done().await?;
        self.saved(done);
        if self.since_begin > 0 {
            while let Some(sent) = self.sent.next().await {
                self.acknowledge(Some(sent))?;
            }
            self.begin_save();
            let done = self.saver.done().await?;
            self.saved(done);
        }
        Ok(())
    }
}
