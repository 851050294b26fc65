//! What operations see: the age of the saves, also where records never stop coming.

use std::sync::OnceLock;

use opentelemetry::{Value, global};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData},
};

use crate::{counting::words, stage::Stage};

/// No other test has so many partitions: what is measured of it is this test's.
const PARTITION: u32 = 15;

fn meters() -> &'static (SdkMeterProvider, InMemoryMetricExporter) {
    static METERS: OnceLock<(SdkMeterProvider, InMemoryMetricExporter)> = OnceLock::new();
    METERS.get_or_init(|| {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
        global::set_meter_provider(provider.clone());
        (provider, exporter)
    })
}

/// What a gauge of the partition says now.
fn gauge(name: &str) -> Option<f64> {
    let (provider, exporter) = meters();
    exporter.reset();
    provider.force_flush().unwrap();
    let mut found = None;
    for resource in exporter.get_finished_metrics().unwrap() {
        for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()).filter(|metric| metric.name() == name)
        {
            let AggregatedMetrics::F64(MetricData::Gauge(gauge)) = metric.data() else { panic!("{name} is no gauge") };
            for point in gauge.data_points() {
                let of = |pair: &opentelemetry::KeyValue| {
                    pair.key.as_str() == "partition" && pair.value == Value::I64(i64::from(PARTITION))
                };
                if point.attributes().any(of) {
                    found = Some(point.value());
                }
            }
        }
    }
    found
}

#[test]
fn a_partition_that_is_never_idle_is_saved_all_the_same() {
    const SAVED_AT: &str = "tiermesh_processing_save_timestamp_seconds";
    let _ = meters();
    let stage = Stage::new(PARTITION + 1);
    stage.life(async |life| {
        let service = life.serve();
        life.until("it is measured", async || gauge(SAVED_AT).is_some()).await;
        let before = gauge(SAVED_AT);
        // While the first save is being written more is folded, whose outputs the log doesn't acknowledge: so there is
        // no moment without something unsaved.
        let busy = stage.keep_database_busy().await;
        life.append(PARTITION, words(0..3)).await;
        for _ in 0..40 {
            life.pass_regardless(50).await;
        }
        let held = life.log.hold_acks();
        life.append(PARTITION, words(3..6)).await;
        for _ in 0..4 {
            life.pass_regardless(50).await;
        }
        assert_eq!(gauge(SAVED_AT), before, "nothing is saved yet");
        drop(busy);
        life.until_saved_to(PARTITION, 4).await;
        life.until("the save is told of", async || gauge(SAVED_AT) > before).await;
        assert_eq!(life.saved_to(PARTITION).await, 4, "the rest is still unsaved");
        drop(held);
        service.stop(life).await;
    });
}
