//! A history on `customer.events`, and what has to follow from it.

use std::collections::VecDeque;

use prost::Message;
use tiermesh_domain::scoring::Scoring;
use tiermesh_event_log::{
    Ack, NewRecord, Producer, Record,
    topics::{CUSTOMER_EVENTS, SCORING_SUMMARIES, TIER_CHANGES},
};
use tiermesh_ingest::{control_copy, fact_record, tick_record};
use tiermesh_processing::Engine;
use tiermesh_proto::v1::{CustomerEvent, Summary, customer_event::Event};

use crate::{
    Failure,
    cluster::Cluster,
    digest::Outputs,
    history::{self, Partitions},
    orders::Plan,
};

/// Records handed over to the producer at a time.
const BATCH: usize = 2_000;
/// Batches that may be on their way.
const MOST_BATCHES: usize = 64;

/// What was written.
#[derive(Debug, Clone)]
pub struct Preloaded {
    /// Records, control among them, those of birth not.
    pub records: u64,
    /// By partition, the offset behind the last record.
    pub ends: Vec<u64>,
    /// By partition, how many tier changes follow.
    pub changes: Vec<u64>,
    /// The same of the first half of the orders.
    pub changes_halfway: Vec<u64>,
    /// Their hash, as [`Outputs`] makes it.
    pub sha256: String,
}

/// Writes the history of a plan to an empty `customer.events`, the records being those that ingest makes.
///
/// # Errors
/// If the broker doesn't take them.
pub fn preload(cluster: &Cluster, plan: Plan) -> Result<Preloaded, Failure> {
    let partitions = cluster.partitions;
    let log = cluster.log()?;
    let mut writer = Writer {
        cluster,
        producer: cluster.wait(log.producer("bench"))?,
        waiting: vec![Vec::with_capacity(BATCH); partitions as usize],
        sent: VecDeque::new(),
        engines: (0..partitions).map(|at| Engine::new("scoring", at, Scoring::new(partitions))).collect(),
        ends: vec![1; partitions as usize],
        outputs: Outputs::new(partitions),
        halfway: plan.orders / 2,
        changes_halfway: Vec::new(),
    };
    history::write(plan, partitions, &mut writer)?;
    (0..partitions).try_for_each(|partition| writer.send(partition))?;
    writer.acknowledged(0)?;
    let Writer { ends, outputs, changes_halfway, .. } = writer;
    if ends != cluster.ends(CUSTOMER_EVENTS.name)? {
        return Err("`customer.events` doesn't hold what was written to it, and nothing else".into());
    }
    let records = ends.iter().map(|end| end - 1).sum();
    Ok(Preloaded { records, ends, changes: outputs.counts(), changes_halfway, sha256: outputs.sha256() })
}

struct Writer<'a> {
    cluster: &'a Cluster,
    producer: Box<dyn Producer>,
    waiting: Vec<Vec<NewRecord>>,
    sent: VecDeque<Ack>,
    engines: Vec<Engine<Scoring>>,
    ends: Vec<u64>,
    outputs: Outputs,
    /// Orders to come until the half of them is written.
    halfway: u64,
    changes_halfway: Vec<u64>,
}

impl Writer<'_> {
    fn send(&mut self, partition: u32) -> Result<(), Failure> {
        let records = std::mem::replace(&mut self.waiting[partition as usize], Vec::with_capacity(BATCH));
        let sent = self.cluster.wait(self.producer.send(CUSTOMER_EVENTS.name, partition, records))?;
        self.sent.push_back(sent);
        self.acknowledged(MOST_BATCHES)
    }

    /// Waits until no more than so many batches are on their way.
    fn acknowledged(&mut self, most: usize) -> Result<(), Failure> {
        while self.sent.len() > most {
            if let Some(sent) = self.sent.pop_front() {
                self.cluster.wait(sent)?;
            }
        }
        Ok(())
    }
}

impl Partitions for Writer<'_> {
    fn take(&mut self, partition: u32, event: CustomerEvent, summaries: &mut Vec<Summary>) -> Result<(), Failure> {
        let record = match event.event {
            Some(Event::Fact(fact)) => {
                if self.halfway == 0 && self.changes_halfway.is_empty() {
                    self.changes_halfway = self.outputs.counts();
                }
                self.halfway = self.halfway.saturating_sub(1);
                fact_record(fact)
            }
            Some(Event::Tick(tick)) => tick_record(tick.time_ms),
            Some(Event::Control(copy)) => control_copy(copy.number, copy.control.unwrap_or_default()),
            None => return Err("a history has no empty records".into()),
        };
        let at = partition as usize;
        let mut said = Vec::new();
        self.engines[at].apply(&read(self.ends[at], record.clone()), &mut said)?;
        self.ends[at] += 1;
        for outgoing in said {
            if outgoing.topic == TIER_CHANGES.name {
                self.outputs.add(partition, &read(0, outgoing.record));
            } else if outgoing.topic == SCORING_SUMMARIES.name {
                summaries.push(Summary::decode(outgoing.record.value)?);
            }
        }
        self.waiting[at].push(record);
        if self.waiting[at].len() == BATCH { self.send(partition) } else { Ok(()) }
    }
}

/// A record as it will be read.
fn read(offset: u64, record: NewRecord) -> Record {
    let NewRecord { key, value, headers, .. } = record;
    Record { offset, key, value, headers }
}
