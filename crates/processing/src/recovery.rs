//! Taking a partition over: the fence is raised, the save loaded, the outputs' tail read.

use std::{collections::BTreeMap, sync::Arc};

use tiermesh_domain::fold::FoldError;
use tiermesh_event_log::{EventLog, Extent};
use tiermesh_store::{OutputEnd, Position, SaveStore, StoreError, Tenure};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tracing::{debug, info};

use crate::{engine::Engine, error::RunError, off_thread::off_thread, outgoing::origin_of, service::Processor};

/// A partition as its new owner finds it.
pub(crate) struct Recovered<F> {
    pub(crate) tenure: Tenure,
    pub(crate) engine: Engine<F>,
    pub(crate) input: Extent,
    pub(crate) next_offset: u64,
    /// Where to look for this partition's outputs beyond the save: all that it stands for lie before.
    pub(crate) outputs: Vec<OutputEnd>,
    /// What of ours stands beyond the save in the log already, by topic: not to be sent again.
    pub(crate) said: BTreeMap<String, Said>,
    /// How many segments the save has.
    pub(crate) segments: usize,
}

/// Outputs of a topic that a former owner sent and didn't save.
pub(crate) struct Said {
    /// The greatest sequence of them.
    pub(crate) sequence: u64,
    /// They all lie before this offset.
    pub(crate) end: u64,
}

/// Of a service's partitions only so many are loaded at a time as there are threads for them, and one more: so the first
/// ones fold again while the last ones wait, and not more of their saves is in memory than has to be.
#[derive(Debug, Clone)]
pub(crate) struct Loads(Arc<Semaphore>);

impl Loads {
    pub(crate) fn new() -> Self {
        // One more than must be: where reading the save takes its time, another is loaded meanwhile.
        Self(Arc::new(Semaphore::new(Handle::current().metrics().num_workers() + 1)))
    }

    async fn turn(&self) -> OwnedSemaphorePermit {
        let turn = Arc::clone(&self.0).acquire_owned().await;
        turn.expect("nobody closes it")
    }
}

pub(crate) async fn recover<P: Processor>(
    processor: &P,
    log: &dyn EventLog,
    store: &SaveStore,
    partition: u32,
    loads: &Loads,
) -> Result<Recovered<P::Fold>, RunError> {
    let service = processor.service();
    let turn = loads.turn().await;
    let (tenure, save) = store.acquire(service, partition).await.map_err(|error| match error {
        StoreError::Corrupt { reason, .. } => RunError::BadSave { service: service.to_owned(), partition, reason },
        other => RunError::Store(other),
    })?;
    let input = log.extent(processor.input(), partition).await?;
    let foreign = |what: String| RunError::ForeignLog { service: service.to_owned(), partition, what };
    if let Some(Position { input_log_id, next_offset, .. }) = save.as_ref().map(|save| &save.position) {
        if *input_log_id != input.log_id.0 {
            let found = &input.log_id;
            return Err(foreign(format!("topic `{}` has log id {found}, the save {input_log_id}", processor.input())));
        }
        if *next_offset > input.end {
            let end = input.end;
            return Err(foreign(format!(
                "topic `{}` ends at {end}, the save stands at {next_offset}",
                processor.input()
            )));
        }
    }
    let (position, segments) = save.map(|save| (Some(save.position), save.segments)).unwrap_or_default();
    let noted = position.as_ref().map(|position| position.outputs.clone()).unwrap_or_default();
    let (next_offset, count) = (position.map_or(0, |position| position.next_offset), segments.len());
    let mut engine = Engine::new(service, partition, processor.fold());
    // While it is loaded the log is asked for its outputs.
    let loading = async {
        let loaded = off_thread(move || engine.load(&segments).map(|()| engine)).await;
        drop(turn);
        loaded
    };
    let (engine, ends) = tokio::join!(loading, output_ends(processor, log, partition, noted));
    let (outputs, said) = ends?;
    let engine = engine?.map_err(|error| match error {
        // There is nothing wrong with the save: it is for a later release.
        FoldError::UnknownLogic { .. } => {
            RunError::Fold { topic: processor.input().to_owned(), partition, offset: next_offset, error }
        }
        error => RunError::BadSave { service: service.to_owned(), partition, reason: error.to_string() },
    })?;
    info!(service, partition, epoch = tenure.epoch, next_offset, end = input.end, "partition taken over");
    Ok(Recovered { tenure, engine, input, next_offset, outputs, said, segments: count })
}

/// Where the outputs end that the save stands for, and what of ours stands beyond.
async fn output_ends<P: Processor>(
    processor: &P,
    log: &dyn EventLog,
    partition: u32,
    noted: Vec<OutputEnd>,
) -> Result<(Vec<OutputEnd>, BTreeMap<String, Said>), RunError> {
    let service = processor.service();
    let mut outputs = Vec::new();
    let mut said = BTreeMap::new();
    for (topic, output_partition) in processor.outputs(partition) {
        let extent = log.extent(topic, output_partition).await?;
        let known = noted.iter().find(|end| end.topic == topic && end.partition == output_partition);
        if let Some(known) = known
            && (known.log_id != extent.log_id.0 || known.end > extent.end)
        {
            let what = format!("output topic `{topic}` was replaced or cut");
            return Err(RunError::ForeignLog { service: service.to_owned(), partition, what });
        }
        let from = known.map_or(0, |known| known.end).max(extent.start);
        let greatest = tail(log, service, partition, topic, output_partition, from, extent.end).await?;
        if let Some(greatest) = greatest {
            debug!(service, partition, topic, sequence = greatest, "outputs beyond the save stand in the log already");
            said.insert(topic.to_owned(), Said { sequence: greatest, end: extent.end });
        }
        outputs.push(OutputEnd {
            topic: topic.to_owned(),
            partition: output_partition,
            log_id: extent.log_id.0,
            // While what was said is being caught up with, a save is of less than stands in the log: whoever loads it
            // has to read the same tail again.
            end: if greatest.is_some() { from } else { extent.end },
        });
    }
    Ok((outputs, said))
}

/// The greatest sequence of this service's partition in an output partition, from `from` to `end`.
///
/// The greatest, not the last: a deposed owner may have repeated earlier ones behind it.
async fn tail(
    log: &dyn EventLog,
    service: &str,
    partition: u32,
    topic: &str,
    output_partition: u32,
    from: u64,
    end: u64,
) -> Result<Option<u64>, RunError> {
    // Offset 0 is the birth record: a partition that ends at 1 is empty.
    if from.max(1) >= end {
        return Ok(None);
    }
    let mut reader = log.read(topic, output_partition, from).await?;
    let mut greatest = None;
    loop {
        let records = reader.next(1_000).await?;
        for record in &records {
            let origin = origin_of(record).filter(|origin| origin.service == service && origin.partition == partition);
            greatest = greatest.max(origin.map(|origin| origin.sequence));
        }
        if records.last().is_none_or(|record| record.offset + 1 >= end) {
            return Ok(greatest);
        }
    }
}
