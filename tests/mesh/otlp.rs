//! An OpenTelemetry collector for tests: it takes traces and metrics by OTLP over gRPC, and remembers them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    resource::v1::Resource,
};
use tiermesh_testkit::free_port;
use tokio::runtime::Runtime;
use tonic::{Request, Response, Status, transport::Server};

/// A span as the collector got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: String,
    pub(crate) name: String,
    /// Hexadecimal, as everywhere here.
    pub(crate) trace: String,
    pub(crate) span: String,
    /// Empty: a root.
    pub(crate) parent: String,
    /// Traces of the spans it links to.
    pub(crate) links: Vec<String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Default)]
struct Got {
    spans: Vec<Seen>,
    /// Names, by service.
    metrics: BTreeMap<String, BTreeSet<String>>,
}

/// The collector, while it runs.
pub(crate) struct Collector {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
}

impl Collector {
    pub(crate) fn start(runtime: &Runtime) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let got = Arc::<Mutex<Got>>::default();
        let (traces, metrics) = (Receiver(Arc::clone(&got)), Receiver(Arc::clone(&got)));
        let server = Server::builder()
            .add_service(TraceServiceServer::new(traces))
            .add_service(MetricsServiceServer::new(metrics))
            .serve(address);
        runtime.spawn(async move { server.await.unwrap() });
        Self { address, got }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of a trace so far.
    pub(crate) fn trace(&self, trace: &str) -> Vec<Seen> {
        lock(&self.got).spans.iter().filter(|span| span.trace == trace).cloned().collect()
    }

    /// Which services have told of a trace so far.
    pub(crate) fn services(&self, trace: &str) -> BTreeSet<String> {
        self.trace(trace).into_iter().map(|span| span.service).collect()
    }

    /// The spans so far that link to this trace.
    pub(crate) fn linked_to(&self, trace: &str) -> Vec<Seen> {
        lock(&self.got).spans.iter().filter(|span| span.links.iter().any(|link| link == trace)).cloned().collect()
    }

    /// The names of the metrics that a service has told so far.
    pub(crate) fn metrics(&self, service: &str) -> BTreeSet<String> {
        lock(&self.got).metrics.get(service).cloned().unwrap_or_default()
    }
}

struct Receiver(Arc<Mutex<Got>>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut got = lock(&self.0);
        for of_resource in request.into_inner().resource_spans {
            let service = service_of(of_resource.resource);
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                got.spans.push(Seen {
                    service: service.clone(),
                    name: span.name,
                    trace: hex(&span.trace_id),
                    span: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
                    attributes: span.attributes.into_iter().map(text).collect(),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut got = lock(&self.0);
        for of_resource in request.into_inner().resource_metrics {
            let names = got.metrics.entry(service_of(of_resource.resource)).or_default();
            names.extend(
                of_resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics).map(|metric| metric.name),
            );
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn lock(got: &Mutex<Got>) -> MutexGuard<'_, Got> {
    got.lock().unwrap_or_else(PoisonError::into_inner)
}

fn service_of(resource: Option<Resource>) -> String {
    let attributes: BTreeMap<String, String> = resource.unwrap_or_default().attributes.into_iter().map(text).collect();
    attributes["service.name"].clone()
}

fn text(pair: KeyValue) -> (String, String) {
    let value = match pair.value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    (pair.key, value)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
