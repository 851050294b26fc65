//! One partition while it is owned: read, fold, send, save.
//!
//! The save trails the acknowledgements: state after offset o is saved only when every output of every record up to o
//! is in the log. It is packed between two records, so it is the state after o and nothing else; what it waits for after
//! that keeps nobody from folding on.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tiermesh_domain::fold::{AHEAD, Fold};
use tiermesh_event_log::{LogError, NewRecord, PartitionReader, Producer, Record};
use tiermesh_service_host::{Health, Trouble, telemetry::now_seconds};
use tiermesh_store::{Position, SaveStore};
use tokio::{sync::watch, time::Instant};
use tracing::{info, warn};

use crate::{
    cpu_time::measured,
    engine::Refused,
    error::RunError,
    metrics::{Metrics, Standing},
    off_thread::{in_place, off_thread},
    outbox::{Arrived, Outbox},
    outgoing::Outgoing,
    recovery::Recovered,
    save_rule::{self, MOST_UNSAVED},
    saver::{Saver, Written},
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
/// So many at a time take long enough for others to be let go on meanwhile, and don't come one by one.
const MANY: usize = 128;
/// Waiting longer than this for the log's acknowledgements is worth a line.
const SLOW_ACK: Duration = Duration::from_secs(10);
/// A partition that can't be saved for so long is given up unsaved: its next owner folds again what wasn't.
const RELEASE_WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Partition<F> {
    service: &'static str,
    number: u32,
    topic: &'static str,
    spans: Spans,
    metrics: Metrics,
    health: Health,
    standing: Arc<Standing>,
    recovered: Recovered<F>,
    outbox: Outbox,
    saver: Saver,
    /// Records folded beyond the last save that is written, and beyond the last that was packed.
    unsaved: u64,
    unpacked: u64,
    /// When the first of the latter was folded.
    unpacked_since: Instant,
    /// Much was read at once, the last time: the end of the log is elsewhere.
    is_behind: bool,
    /// What packing and compressing cost the last time.
    save_cost: Duration,
    /// When the state of the save that is being written was packed, for metrics.
    packed_at: f64,
    /// When it is worth a line that nothing of what is on its way has been acknowledged.
    slow_at: Instant,
    /// That nothing has.
    slow: Option<Trouble>,
    /// That reading pauses until something is saved.
    paused: Option<Trouble>,
    closing: Option<Closing>,
}

/// The partition is to be given up: nothing more is folded.
struct Closing {
    deadline: Instant,
    /// Whether its state may be saved.
    save: bool,
    /// Why, unless it was told to.
    error: Option<RunError>,
}

/// What a partition is owned with.
pub(crate) struct Means {
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) producer: Arc<dyn Producer>,
    pub(crate) store: SaveStore,
}

impl<F: Fold> Partition<F> {
    pub(crate) fn new(spans: Spans, means: Means, recovered: Recovered<F>) -> Self {
        let Means { metrics, health, producer, store } = means;
        let Spans { service, topic, partition: number, .. } = spans;
        let standing = Arc::new(Standing::default());
        standing.next_offset.store(recovered.next_offset, Ordering::Relaxed);
        let saver = Saver::new(store, recovered.tenure.clone(), health.clone(), recovered.segments);
        let now = Instant::now();
        Self {
            service,
            number,
            topic,
            spans,
            metrics,
            health,
            standing,
            recovered,
            outbox: Outbox::new(producer),
            saver,
            unsaved: 0,
            unpacked: 0,
            unpacked_since: now,
            is_behind: false,
            save_cost: Duration::ZERO,
            packed_at: 0.0,
            slow_at: now,
            slow: None,
            paused: None,
            closing: None,
        }
    }

    /// Where it stands, for whoever measures it.
    pub(crate) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// Owns the partition until told otherwise. Its state is gone when this returns: the next owner may be on the same
    /// machine.
    pub(crate) async fn run(
        mut self,
        mut reader: Box<dyn PartitionReader>,
        orders: watch::Receiver<Order>,
    ) -> Result<(), RunError> {
        let outcome = self.own(&mut *reader, orders).await;
        let Self { recovered, saver, .. } = self;
        // What it still writes is given up first.
        drop(saver);
        let gone = off_thread(move || drop(recovered)).await;
        outcome.and(gone)
    }

    async fn own(
        &mut self,
        reader: &mut dyn PartitionReader,
        mut orders: watch::Receiver<Order>,
    ) -> Result<(), RunError> {
        let mut listens = true;
        loop {
            if self.is_save_due() {
                self.begin_save();
            }
            if let Some(closing) = self.closing.take_if(|closing| {
                let is_saved = !self.saver.is_writing() && (self.unpacked == 0 || !closing.save);
                self.outbox.is_empty() && is_saved
            }) {
                return self.closed(closing);
            }
            let (reads, next_look) = (self.reads(), self.next_look());
            tokio::select! {
                biased;
                changed = orders.changed(), if listens => {
                    // Nobody is left to give orders: the service stops.
                    listens = changed.is_ok();
                    let order = if listens { *orders.borrow() } else { Order::Release };
                    match order {
                        Order::Go => {}
                        Order::Release => self.close(true, None),
                        Order::Abandon => {
                            info!(service = self.service, partition = self.number, "partition was lost: nothing saved");
                            return Ok(());
                        }
                    }
                }
                written = self.saver.done(), if self.saver.is_writing() => self.saved(written?),
                arrived = self.outbox.next(), if !self.outbox.is_empty() => {
                    if let Some(arrived) = arrived? {
                        self.arrived(&arrived);
                    }
                }
                () = at(next_look) => {
                    if let Some(closing) = self.closing.take_if(|closing| closing.deadline <= Instant::now()) {
                        return self.given_up(closing);
                    }
                    self.complain();
                }
                records = reader.next(BATCH), if reads => {
                    let records = records?;
                    self.is_behind = records.len() >= MANY;
                    if !self.is_behind {
                        self.fold(&records)?;
                    } else {
                        in_place(|| self.fold(&records))?;
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    fn reads(&self) -> bool {
        self.closing.is_none() && !self.outbox.is_full() && self.unsaved < MOST_UNSAVED
    }

    fn is_save_due(&self) -> bool {
        let may = self.unpacked > 0 && !self.saver.is_writing();
        may && match &self.closing {
            Some(closing) => closing.save,
            None => save_rule::is_enough(self.unpacked) || self.save_at() <= Instant::now(),
        }
    }

    fn save_at(&self) -> Instant {
        self.unpacked_since + save_rule::interval(self.save_cost, self.is_behind)
    }

    /// When to look at the time next, if at all.
    fn next_look(&self) -> Option<Instant> {
        let save = (self.unpacked > 0 && !self.saver.is_writing() && self.closing.is_none()).then(|| self.save_at());
        let slow = (!self.outbox.is_empty()).then_some(self.slow_at);
        let end = self.closing.as_ref().map(|closing| closing.deadline);
        [save, slow, end].into_iter().flatten().min()
    }

    /// Folds records. One that can't be folded ends the partition, once what those before it led to is in the log.
    fn fold(&mut self, records: &[Record]) -> Result<(), RunError> {
        let began = Instant::now();
        let (mut outgoing, mut folded, mut failed) = (Vec::new(), 0, None);
        for (nth, record) in records.iter().enumerate() {
            if nth % AHEAD == 0 && records.len() > 1 {
                self.recovered.engine.look_ahead(&records[nth..records.len().min(nth + AHEAD)]);
            }
            let (processing, first) = (self.spans.begin(record), outgoing.len());
            let engine = &mut self.recovered.engine;
            if let Err(refused) = engine.take(record, &mut outgoing) {
                let is_intact = matches!(refused, Refused::Unreadable(_));
                let error = refused.into_error();
                self.spans.fail(processing, &error);
                outgoing.truncate(first);
                let (topic, partition, offset) = (self.topic.to_owned(), self.number, record.offset);
                failed = Some((is_intact, RunError::Fold { topic, partition, offset, error }));
                break;
            }
            self.spans.end(processing, record, &mut outgoing[first..]);
            self.recovered.next_offset = record.offset + 1;
            folded += 1;
        }
        if folded > 0 {
            self.metrics.folded(folded, began.elapsed());
            self.standing.next_offset.store(self.recovered.next_offset, Ordering::Relaxed);
            self.standing.unsaved.store(true, Ordering::Relaxed);
            if self.unpacked == 0 {
                self.unpacked_since = Instant::now();
            }
            self.unsaved += folded as u64;
            self.unpacked += folded as u64;
            self.send(outgoing)?;
            self.note_pause();
        }
        if let Some((is_intact, error)) = failed {
            self.close(is_intact, Some(error));
        }
        Ok(())
    }

    /// Sends what isn't in the log yet, by output partition, in the order of its numbers.
    fn send(&mut self, outgoing: Vec<Outgoing>) -> Result<(), RunError> {
        let Recovered { outputs, said, .. } = &mut self.recovered;
        let mut by_output: Vec<Vec<NewRecord>> = vec![Vec::new(); outputs.len()];
        if self.outbox.is_empty() {
            self.slow_at = Instant::now() + SLOW_ACK;
        }
        for out in outgoing {
            let Some(at) = outputs.iter().position(|end| end.partition == out.partition && end.topic == out.topic)
            else {
                // A processor that says what it did not announce: its outputs would not be found after a crash.
                let what = format!("{} does not announce outputs to `{}`", self.service, out.topic);
                return Err(RunError::Log(LogError::Corrupt(what)));
            };
            match said.get(out.topic).filter(|known| out.sequence <= known.sequence) {
                Some(known) => {
                    if out.sequence == known.sequence {
                        // Caught up: from here on a save is of all that stands in the log.
                        self.outbox.put_known(at, known.end - 1);
                    }
                }
                None => by_output[at].push(out.record),
            }
        }
        for (at, records) in by_output.into_iter().enumerate().filter(|(_, records)| !records.is_empty()) {
            self.metrics.said(&outputs[at].topic, records.len());
            self.outbox.put(at, &outputs[at].topic, outputs[at].partition, records);
        }
        Ok(())
    }

    /// An entry of the outbox is in the log.
    fn arrived(&mut self, arrived: &Arrived) {
        if let Some(end) = self.recovered.outputs.get_mut(arrived.at) {
            end.end = end.end.max(arrived.offset + 1);
        }
        self.saver.arrived(self.outbox.arrived_so_far(), &self.recovered.outputs);
        self.slow_at = Instant::now() + SLOW_ACK;
        self.slow = None;
    }

    fn complain(&mut self) {
        let now = Instant::now();
        if self.outbox.is_empty() || self.slow_at > now {
            return;
        }
        self.slow_at = now + SLOW_ACK;
        let (service, partition, waited) = (self.service, self.number, SLOW_ACK.as_secs());
        warn!(service, partition, "the log has not acknowledged outputs for {waited} s; is it reachable?");
        let trouble = format!("{service}: partition {partition}: the log has not acknowledged outputs for {waited} s");
        self.slow.get_or_insert_with(|| self.health.trouble(trouble));
    }

    /// Tells of a pause that begins or ends.
    fn note_pause(&mut self) {
        if self.unsaved < MOST_UNSAVED {
            self.paused = None;
        } else if self.paused.is_none() {
            let (service, partition, unsaved) = (self.service, self.number, self.unsaved);
            warn!(service, partition, unsaved, "reading pauses until something is saved; is the database reachable?");
            let trouble = format!("{service}: partition {partition}: reading pauses: {unsaved} records are unsaved");
            self.paused = Some(self.health.trouble(trouble));
        }
    }

    /// Packs the state and begins to save it.
    fn begin_save(&mut self) {
        let (state, cost) = in_place(|| measured(|| self.recovered.engine.delta()));
        self.save_cost = cost;
        let (input_log_id, next_offset) = (self.recovered.input.log_id.0.clone(), self.recovered.next_offset);
        let position = Position { input_log_id, next_offset, outputs: Vec::new() };
        self.saver.begin(state, position, self.outbox.put_so_far());
        self.saver.arrived(self.outbox.arrived_so_far(), &self.recovered.outputs);
        self.packed_at = now_seconds();
        self.unpacked = 0;
    }

    /// A save was written, if one was.
    fn saved(&mut self, written: Option<Written>) {
        let Some(written) = written else { return };
        self.save_cost += written.compressing;
        self.unsaved = self.unpacked;
        self.note_pause();
        // While records keep coming there is always something unsaved: what counts is how old that is.
        self.metrics.saved(self.number, self.packed_at, self.save_cost, &written);
        if self.unpacked == 0 {
            self.standing.unsaved.store(false, Ordering::Relaxed);
        }
    }

    /// Gives the partition up, in good order: what was said arrives, and state is saved if it may be.
    fn close(&mut self, save: bool, error: Option<RunError>) {
        let deadline = Instant::now() + RELEASE_WITHIN;
        self.closing.get_or_insert(Closing { deadline, save, error });
    }

    fn closed(&self, closing: Closing) -> Result<(), RunError> {
        let (service, partition, next_offset) = (self.service, self.number, self.recovered.next_offset);
        match closing.error {
            Some(error) => Err(error),
            None => {
                info!(service, partition, next_offset, "partition released");
                Ok(())
            }
        }
    }

    fn given_up(&self, closing: Closing) -> Result<(), RunError> {
        let (service, partition) = (self.service, self.number);
        warn!(service, partition, "partition released unsaved: log or database do not answer");
        closing.error.map_or(Ok(()), Err)
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
