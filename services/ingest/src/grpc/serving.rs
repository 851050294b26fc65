//! The gRPC services as routes beside those of HTTP: publishing, health, reflection.

use std::{sync::Arc, time::Duration};

use axum::Router;
use tiermesh_service_host::Health;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_reflection::server::Builder;

use super::{DESCRIPTORS, publish::Publishing, v1::publisher_server::PublisherServer};
use crate::{service::Service, settings::LARGEST_BODY};

/// How often the health that gRPC tells is brought up to date.
const HEALTH_INTERVAL: Duration = Duration::from_millis(500);

/// The names under which health is told: the whole, and publishing.
const NAMES: [&str; 2] = ["", "tiermesh.v1.Publisher"];

/// All gRPC services.
pub(crate) fn routes(service: &Arc<Service>, health: &Health) -> Router {
    let publishing = PublisherServer::new(Publishing { service: Arc::clone(service) });
    let (reporter, health_service) = tonic_health::server::health_reporter();
    tokio::spawn(report(Arc::clone(service), health.clone(), reporter));
    let mut routes = Routes::new(publishing.max_decoding_message_size(LARGEST_BODY)).add_service(health_service);
    let reflection = Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    match reflection.build_v1() {
        Ok(reflection) => routes = routes.add_service(reflection),
        Err(error) => tracing::error!("there is no gRPC reflection: {error}"),
    }
    // What exists is for all routes together to say.
    routes.into_axum_router().reset_fallback()
}

/// Tells the health that `/readyz` tells, until this process stops.
async fn report(service: Arc<Service>, health: Health, reporter: HealthReporter) {
    loop {
        let closing = service.closing.is_cancelled();
        let ready = !closing && health.waiting().is_empty();
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in NAMES {
            reporter.set_service_status(name, status).await;
        }
        if closing {
            return;
        }
        let _ = tokio::time::timeout(HEALTH_INTERVAL, service.closing.cancelled()).await;
    }
}
