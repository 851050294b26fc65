//! Traces and metrics: what a process tells of itself to a collector (OTLP over gRPC) and to Prometheus.
//!
//! | what | where |
//! | --- | --- |
//! | `traceparent` on records and requests; starting spans | [`context`](self) |
//! | the server span of a request | [`trace_requests`] |
//! | arguments, start and flush | [`TelemetryArgs`], [`Telemetry`] |
//!
//! Instruments and spans are made with the `opentelemetry` API, of the meter and tracer `tiermesh`. An instrument that is
//! made before [`TelemetryArgs::start`] counts nothing.

mod clock;
mod collector;
mod context;
mod metrics;
mod requests;
mod sampling;

use std::{fmt, sync::OnceLock, time::Duration};

use clap::Args;
use opentelemetry::{KeyValue, global, metrics::Meter};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig, WithTonicConfig,
    tonic_types::transport::ClientTlsConfig,
};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider},
};

pub use self::{
    clock::now_seconds,
    context::{TRACEPARENT, format, is_sampled, parse, span_of, traceparent_of, tracer},
    requests::{TRACERESPONSE, trace_requests},
    sampling::Sampling,
};
pub(crate) use metrics::metrics;

use self::collector::{Collector, Told};

/// Spans that wait for export; beyond that they are dropped. Room for some seconds of bursts.
const MOST_SPANS: usize = 32_768;
/// How long the flush at the end may take.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// Where traces and metrics go.
#[derive(Debug, Clone, Args)]
pub struct TelemetryArgs {
    /// The OpenTelemetry collector that gets traces and metrics, by OTLP over gRPC (http://HOST:4317). Without one,
    /// nothing is traced; metrics stand at /metrics in any case.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp: Option<String>,
    /// The share of traces that is recorded, from 0 to 1. A request that brings a trace of its own decides itself.
    #[arg(long, env = "TIERMESH_TRACE_SAMPLE", value_name = "RATIO", default_value_t = DEFAULT_SAMPLE, value_parser = ratio)]
    pub trace_sample: f64,
}

const DEFAULT_SAMPLE: f64 = 0.01;

impl Default for TelemetryArgs {
    fn default() -> Self {
        Self { otlp: None, trace_sample: DEFAULT_SAMPLE }
    }
}

/// Why traces and metrics can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The collector's address is none.
    #[error("--otlp {0:?}: expected the collector's address for OTLP over gRPC, as http://HOST:4317")]
    Endpoint(String),
    /// The exporter can't be made of these settings.
    #[error("--otlp {endpoint:?}: {error}")]
    Exporter {
        /// The collector's address.
        endpoint: String,
        /// What is wrong.
        error: ExporterBuildError,
    },
    /// Prometheus' side.
    #[error("metrics can't be offered to Prometheus: {0}")]
    Prometheus(opentelemetry_sdk::error::OTelSdkError),
}

impl TelemetryArgs {
    /// Starts telling: as `tiermesh-<service>`, to whoever asks for `/metrics` and to the collector, if there is one. To
    /// be called once, within the runtime, before the services start; [`Telemetry::stop`] when they have ended.
    ///
    /// # Errors
    /// The collector's address is none. That nobody answers there is no error.
    pub fn start(&self, service: &str) -> Result<Telemetry, TelemetryError> {
        let service = service_name(service);
        let instance = format!("{}:{}", std::env::var("HOSTNAME").unwrap_or_default(), std::process::id());
        let identity = [KeyValue::new("service.namespace", "tiermesh"), KeyValue::new("service.instance.id", instance)];
        let resource = Resource::builder().with_service_name(service).with_attributes(identity).build();
        let for_prometheus = opentelemetry_prometheus::exporter()
            .with_registry(metrics::registry().clone())
            // Names stand in the code as Prometheus and OTLP show them.
            .without_units()
            .without_counter_suffixes()
            .scope_info_enabled(false)
            .build()
            .map_err(TelemetryError::Prometheus)?;
        let mut meters = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(for_prometheus);
        let mut tracers = None;
        if let Some(endpoint) = self.otlp.as_deref().map(str::trim).filter(|endpoint| !endpoint.is_empty()) {
            let (metrics, spans) = exporters(endpoint)?;
            meters = meters.with_reader(PeriodicReader::builder(metrics).build());
            let queue = BatchConfigBuilder::default().with_max_queue_size(MOST_SPANS).build();
            let batches = BatchSpanProcessor::builder(spans).with_batch_config(queue).build();
            let provider = SdkTracerProvider::builder()
                .with_resource(resource)
                .with_sampler(Sampling::of(self.trace_sample))
                .with_span_processor(batches)
                .build();
            global::set_tracer_provider(provider.clone());
            tracers = Some(provider);
        }
        let meters = meters.build();
        global::set_meter_provider(meters.clone());
        Ok(Telemetry { tracers, meters })
    }
}

/// Traces and metrics of this process.
#[must_use = "what waits for export is lost unless it is stopped"]
pub struct Telemetry {
    tracers: Option<SdkTracerProvider>,
    meters: SdkMeterProvider,
}

impl Telemetry {
    /// Exports what is left, and ends. A collector that doesn't answer holds it up for some seconds at most.
    pub async fn stop(self) {
        let Self { tracers, meters } = self;
        let flush = move || {
            // Whatever can't be exported was told of already.
            let _ = tracers.map(|tracers| tracers.shutdown_with_timeout(FLUSH_WITHIN));
            let _ = meters.shutdown_with_timeout(FLUSH_WITHIN);
        };
        let _ = tokio::time::timeout(FLUSH_WITHIN, tokio::task::spawn_blocking(flush)).await;
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("traces", &self.tracers.is_some()).finish_non_exhaustive()
    }
}

/// The meter of everything that is ours.
pub fn meter() -> Meter {
    global::meter("tiermesh")
}

static SERVICE: OnceLock<String> = OnceLock::new();

/// The name under which this process tells of itself; none before it has started to.
pub(crate) fn service() -> Option<&'static str> {
    SERVICE.get().map(String::as_str)
}

fn service_name(service: &str) -> &'static str {
    SERVICE.get_or_init(|| format!("tiermesh-{service}"))
}

fn exporters(endpoint: &str) -> Result<(Told<MetricExporter>, Told<SpanExporter>), TelemetryError> {
    if !["http://", "https://"].iter().any(|scheme| endpoint.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
    {
        return Err(TelemetryError::Endpoint(endpoint.to_owned()));
    }
    let collector = Collector::at(endpoint);
    let wrong = |error| TelemetryError::Exporter { endpoint: endpoint.to_owned(), error };
    // OTLP over gRPC: over HTTP, the asynchronous client panics on the batch processor's thread and every span is lost.
    let mut metrics = MetricExporter::builder().with_tonic().with_endpoint(endpoint);
    let mut spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    if endpoint.starts_with("https://") {
        // By itself it would trust nobody.
        let tls = ClientTlsConfig::new().with_enabled_roots();
        (metrics, spans) = (metrics.with_tls_config(tls.clone()), spans.with_tls_config(tls));
    }
    let (metrics, spans) = (metrics.build().map_err(wrong)?, spans.build().map_err(wrong)?);
    Ok((Told { exporter: metrics, collector: collector.clone() }, Told { exporter: spans, collector }))
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "expected a number from 0 (no trace) to 1 (every trace), as 0.01".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_from_0_to_1() {
        assert_eq!(ratio("0.01"), Ok(0.01));
        for wrong in ["1.01", "-0.1", "NaN", "1 %", ""] {
            assert!(ratio(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_without_scheme_is_refused_with_what_to_write() {
        for wrong in ["collector:4317", "grpc://collector:4317", "http://"] {
            let args = TelemetryArgs { otlp: Some(wrong.to_owned()), ..TelemetryArgs::default() };
            let error = exporters(args.otlp.as_deref().unwrap()).unwrap_err().to_string();
            assert!(error.contains("http://HOST:4317"), "{error}");
        }
    }
}
