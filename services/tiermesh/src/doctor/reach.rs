//! What can be reached: services, store, collector.

use std::{path::Path, time::Duration};

use tiermesh_store::SaveStore;
use tokio::{net::TcpStream, time::timeout};

use super::{Args, Finding};
use crate::healthcheck;

/// How long a connection may take.
const LIMIT: Duration = Duration::from_secs(3);

/// With less room than this on its disk an embedded mesh is about to stop, or has.
const LEAST_ROOM_MIB: u64 = 64;

/// Where services listen unless told otherwise, in the order of the flow.
const SERVICES: [(&str, &str); 5] = [
    ("ingest", "http://127.0.0.1:7171"),
    ("scoring", "http://127.0.0.1:7172"),
    ("churn-warning", "http://127.0.0.1:7173"),
    ("notification", "http://127.0.0.1:7174"),
    ("console", "http://127.0.0.1:7175"),
];

/// Which services are asked, by name and URL.
pub(super) fn asked(args: &Args) -> Vec<(&str, &str)> {
    match (args.urls.is_empty(), args.source.kafka.kafka.is_some()) {
        (false, _) => args.urls.iter().map(|url| ("service", url.as_str())).collect(),
        // `up` has all of them on one port.
        (true, false) => vec![("service", SERVICES[0].1)],
        (true, true) => SERVICES.to_vec(),
    }
}

/// Whether services are ready, and the collector there.
pub(super) async fn services(args: &Args) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, url) in asked(args) {
        let url = format!("{}/readyz", url.trim_end_matches('/').trim_end_matches("/readyz"));
        let answer = healthcheck::ask(&url).await;
        let what = format!("{name} at {url}: {}", answer.said);
        findings.push(match answer.well {
            true => Finding::well("service", what),
            false => Finding::wrong("service", what, "start it, or say where it is with --url"),
        });
        let remedy = "the rest of it goes on; docs/faults.md says what to do";
        let troubles = answer.troubles.into_iter();
        findings
            .extend(troubles.map(|trouble| Finding::wrong("service", format!("{name} at {url}: {trouble}"), remedy)));
    }
    if let Some(endpoint) = &args.otlp {
        findings.push(collector(endpoint).await);
    }
    findings
}

async fn collector(endpoint: &str) -> Finding {
    let remedy =
        "start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT; without it traces are lost, nothing else";
    let place = reqwest::Url::parse(endpoint).ok();
    let place = place.and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default().unwrap_or(4317))));
    let Some((host, port)) = place else {
        return Finding::wrong("collector", format!("{endpoint:?}: expected http://HOST:4317"), remedy);
    };
    match timeout(LIMIT, TcpStream::connect((host.as_str(), port))).await {
        Ok(Ok(_)) => Finding::well("collector", format!("{endpoint} can be reached")),
        _ => Finding::wrong("collector", format!("{endpoint} can't be reached"), remedy),
    }
}

/// Whether the disk of an embedded mesh has room. SQLite doesn't always say that this is what is wrong.
pub(super) fn disk(args: &Args) -> Option<Finding> {
    if args.source.kafka.kafka.is_some() {
        return None;
    }
    let data = &args.source.data;
    // That there is no such directory is said of the log.
    let disk = rustix::fs::statvfs(data).ok()?;
    let left = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    let what = format!("the disk of {} has {left} MiB left", data.display());
    Some(match left < LEAST_ROOM_MIB {
        true => Finding::wrong("disk", format!("full: {what}"), "make room: all goes on by itself"),
        false => Finding::well("disk", what),
    })
}

/// Opens the store, or says why that isn't possible.
pub(super) async fn store(args: &Args) -> Result<SaveStore, Finding> {
    let url = match (&args.store.store, args.source.kafka.kafka.is_some()) {
        (Some(url), _) => url.clone(),
        (None, true) => {
            let remedy = "name the database with --store";
            return Err(Finding::note("store", "not looked at, and neither are lag and saves", remedy));
        }
        (None, false) => embedded(&args.source.data)?,
    };
    let opened = SaveStore::open(&url).await;
    opened.map_err(|error| Finding::wrong("store", error.to_string(), "check --store, and that the database runs"))
}

/// The store of `up`. Looking must not make one.
fn embedded(data: &Path) -> Result<String, Finding> {
    let file = data.join("state.db");
    match file.is_file() {
        true => Ok(format!("sqlite://{}", file.display())),
        false => {
            let what = format!("there is no {}", file.display());
            Err(Finding::wrong("store", what, "name the data directory with --data, or start `tiermesh up`"))
        }
    }
}
