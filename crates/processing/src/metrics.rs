//! What a service's partitions are measured by. Names stand here as Prometheus and OTLP show them.

use std::{
    slice,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram},
};
use tiermesh_event_log::EventLog;
use tiermesh_service_host::telemetry::{meter, now_seconds};

use crate::saver::Written;

/// How often lag is looked up.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Seconds: a batch takes from a fraction of a millisecond to some seconds, a save likewise.
const BOUNDARIES: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The instruments of one service.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    service: KeyValue,
    records: Counter<u64>,
    outputs: Counter<u64>,
    fold: Histogram<f64>,
    lag: Gauge<u64>,
    owner: Gauge<u64>,
    saved_at: Gauge<f64>,
    pack: Histogram<f64>,
    save: Histogram<f64>,
    saved_bytes: Counter<u64>,
    restarts: Counter<u64>,
}

/// Where an owned partition stands, for whoever measures it.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) next_offset: AtomicU64,
    /// Something was folded that isn't saved.
    pub(crate) unsaved: AtomicBool,
}

impl Metrics {
    pub(crate) fn new(service: &'static str) -> Self {
        let meter = meter();
        let seconds = |name, about| {
            meter.f64_histogram(name).with_description(about).with_boundaries(BOUNDARIES.to_vec()).build()
        };
        let counter = |name, about| meter.u64_counter(name).with_description(about).build();
        let metrics = Self {
            service: KeyValue::new("service", service),
            records: counter("tiermesh_processing_records_total", "Records folded"),
            outputs: counter("tiermesh_processing_outputs_total", "Records said, by topic"),
            fold: seconds("tiermesh_processing_fold_seconds", "Time to fold a batch of records"),
            lag: meter
                .u64_gauge("tiermesh_processing_lag_records")
                .with_description("Records that wait to be folded")
                .build(),
            owner: meter
                .u64_gauge("tiermesh_processing_owner")
                .with_description("1 while this instance folds the partition, 0 once it has given it up")
                .build(),
            saved_at: meter
                .f64_gauge("tiermesh_processing_save_timestamp_seconds")
                .with_description("Up to when all that was folded is saved")
                .build(),
            pack: seconds("tiermesh_processing_pack_seconds", "Processor time to pack and compress a save"),
            save: seconds("tiermesh_processing_save_seconds", "Time to write a save"),
            saved_bytes: counter("tiermesh_processing_saved_bytes_total", "Bytes of saves written, compressed"),
            restarts: counter("tiermesh_processing_restarts_total", "Times a service started anew after a failure"),
        };
        metrics.restarts.add(0, slice::from_ref(&metrics.service));
        metrics
    }

    pub(crate) fn restarted(&self) {
        self.restarts.add(1, slice::from_ref(&self.service));
    }

    /// A batch was folded.
    pub(crate) fn folded(&self, records: usize, took: Duration) {
        self.records.add(records as u64, slice::from_ref(&self.service));
        self.fold.record(took.as_secs_f64(), slice::from_ref(&self.service));
    }

    /// So many records were sent to a topic.
    pub(crate) fn said(&self, topic: &str, records: usize) {
        self.outputs.add(records as u64, &[self.service.clone(), KeyValue::new("topic", topic.to_owned())]);
    }

    /// A save was written, of a state that was packed at that time.
    pub(crate) fn saved(&self, partition: u32, packed_at: f64, packing: Duration, written: &Written) {
        self.pack.record(packing.as_secs_f64(), slice::from_ref(&self.service));
        self.save.record(written.writing.as_secs_f64(), slice::from_ref(&self.service));
        self.saved_bytes.add(written.bytes as u64, slice::from_ref(&self.service));
        self.saved_at.record(packed_at, &self.of(partition));
    }

    /// All that a partition has folded is saved.
    fn nothing_unsaved(&self, partition: u32) {
        self.saved_at.record(now_seconds(), &self.of(partition));
    }

    /// Measures an owned partition, now and then, until dropped.
    pub(crate) async fn watch(
        &self,
        log: &Arc<dyn EventLog>,
        topic: &'static str,
        partition: u32,
        standing: Arc<Standing>,
    ) -> std::convert::Infallible {
        self.owner.record(1, &self.of(partition));
        loop {
            // A log that doesn't answer shows elsewhere.
            if let Ok(extent) = log.extent(topic, partition).await {
                // Offset 0 is the birth record, which nobody folds.
                let next = standing.next_offset.load(Ordering::Relaxed).max(1);
                self.lag.record(extent.end.saturating_sub(next), &self.of(partition));
            }
            if !standing.unsaved.load(Ordering::Relaxed) {
                self.nothing_unsaved(partition);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The partition is not ours any more: what waits in it is another's.
    pub(crate) fn gave_up(&self, partition: u32) {
        self.owner.record(0, &self.of(partition));
        self.lag.record(0, &self.of(partition));
    }

    fn of(&self, partition: u32) -> [KeyValue; 2] {
        [self.service.clone(), KeyValue::new("partition", i64::from(partition))]
    }
}
