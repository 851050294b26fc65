//! The way to the collector. One that is away costs a line in the log and what would have been exported, nothing else.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::{SpanData, SpanExporter},
};

/// Whether the collector can be reached, as far as known. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Collector {
    endpoint: Arc<str>,
    away: Arc<AtomicBool>,
}

impl Collector {
    pub(super) fn at(endpoint: &str) -> Self {
        Self { endpoint: endpoint.into(), away: Arc::default() }
    }

    /// Notes how an export ended, and says so where that is news.
    fn note(&self, outcome: OTelSdkResult) {
        let endpoint = &*self.endpoint;
        match (outcome, self.away.load(Ordering::Relaxed)) {
            (Ok(()), true) => tracing::info!("the OpenTelemetry collector at {endpoint} takes data again"),
            (Err(error), false) => tracing::warn!(
                "the OpenTelemetry collector at {endpoint} can't be reached: traces and metrics are lost until it is \
                 back; nothing else is held up ({error})"
            ),
            (Ok(()), false) => return,
            (Err(_), true) => return,
        }
        self.away.fetch_xor(true, Ordering::Relaxed);
    }
}

/// An exporter that tells the log what becomes of it.
#[derive(Debug)]
pub(super) struct Told<E> {
    pub(super) exporter: E,
    pub(super) collector: Collector,
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.collector.note(self.exporter.export(batch).await);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.exporter.shutdown()
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Told<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.collector.note(self.exporter.export(metrics).await);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
