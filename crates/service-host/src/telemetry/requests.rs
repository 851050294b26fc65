//! A span for each request that a service answers, and the trace id in the answer.

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderValue, StatusCode},
    middleware::{self, Next},
    response::Response,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, SpanContext, SpanKind, Status, TraceContextExt, Tracer},
};

use super::context::{TRACEPARENT, format, parse, tracer};

/// The header of answers that carries the trace, as W3C Trace Context Level 2 has it.
pub const TRACERESPONSE: &str = "traceresponse";

/// Gives every route of the router a server span, current while the request is handled: a child of the request's
/// `traceparent`, or a new root. The answer's `traceresponse` tells the trace id.
pub fn trace_requests<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(middleware::from_fn(traced))
}

async fn traced(request: Request, next: Next) -> Response {
    let parent = request.headers().get(TRACEPARENT).and_then(|value| parse(value.to_str().ok()?));
    let context = server_span(&request, parent);
    let mut response = next.run(request).with_context(context.clone()).await;
    let span = context.span();
    if span.is_recording() {
        let status = response.status();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status >= StatusCode::INTERNAL_SERVER_ERROR {
            span.set_status(Status::error(status.to_string()));
        }
    }
    let of_trace = Some(span.span_context()).filter(|context| context.is_valid());
    if let Some(value) = of_trace.and_then(|context| HeaderValue::try_from(format(context)).ok()) {
        response.headers_mut().insert(TRACERESPONSE, value);
    }
    span.end();
    response
}

fn server_span(request: &Request, parent: Option<SpanContext>) -> Context {
    let parent = match parent {
        Some(parent) => Context::new().with_remote_span_context(parent),
        None => Context::new(),
    };
    let route = request.extensions().get::<MatchedPath>().map_or(request.uri().path(), MatchedPath::as_str);
    let tracer = tracer();
    let span =
        tracer.span_builder(format!("{} {route}", request.method())).with_kind(SpanKind::Server).with_attributes([
            KeyValue::new("http.request.method", request.method().to_string()),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("url.path", request.uri().path().to_owned()),
        ]);
    let span = tracer.build_with_context(span, &parent);
    parent.with_span(span)
}
