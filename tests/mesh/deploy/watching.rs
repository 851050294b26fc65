//! Alerts, dashboards, runbook: they speak of metrics that there are, and of each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::containers::{compose, of_compose, text, yaml};
use crate::data::root;

const ALERTS: &str = "deploy/prometheus/alerts.yaml";

/// What queries may speak of beside the metrics of the services: what Prometheus itself knows.
const PROMETHEUS_LABELS: [&str; 2] = ["job", "le"];

/// Every query of the alerts and the dashboards, with where it stands.
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for rule in rules() {
        queries.push((rule["alert"].to_string(), rule["expr"].as_str().unwrap().to_owned()));
    }
    for (name, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("dashboard {name}, {}", panel["title"]);
                queries.push((place, target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    queries
}

fn rules() -> Vec<Value> {
    let groups = yaml(ALERTS)["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(root().join("deploy/grafana/dashboards")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let read = |name: String| {
        let dashboard = serde_json::from_str(&text(&format!("deploy/grafana/dashboards/{name}")));
        let dashboard = dashboard.unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, dashboard)
    };
    names.map(read).collect()
}

/// The words in a query that may be names.
fn words(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The metrics of the services that a query speaks of; a histogram by its own name.
fn metrics(query: &str) -> BTreeSet<String> {
    let ours = words(query).filter(|word| word.starts_with("tiermesh_"));
    ours.map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned()).collect()
}

/// The labels that a query chooses or groups by.
fn labels(query: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for part in query.split('{').skip(1) {
        let matchers = part.split('}').next().unwrap().split(',');
        labels.extend(matchers.map(|matcher| words(matcher).next().unwrap().to_owned()));
    }
    for part in query.split("by (").skip(1) {
        labels.extend(words(part.split(')').next().unwrap()).map(str::to_owned));
    }
    labels
}

/// All metrics that alerts and dashboards rest on.
pub(crate) fn watched() -> BTreeSet<String> {
    queries().iter().flat_map(|(_, query)| metrics(query)).collect()
}

#[test]
fn what_is_watched_is_documented() {
    let page = text("docs/observability.md");
    // A metric is documented in a row of a table that begins with its name.
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `tiermesh_"));
    let documented: BTreeMap<String, String> =
        rows.map(|row| (format!("tiermesh_{}", words(row).next().unwrap()), row.to_owned())).collect();
    assert!(documented.len() > 10, "docs/observability.md has no table of metrics");
    for (place, query) in queries() {
        let metrics = metrics(&query);
        let mut known: BTreeSet<&str> = BTreeSet::from(PROMETHEUS_LABELS);
        for metric in &metrics {
            let row =
                documented.get(metric).unwrap_or_else(|| panic!("{place}: docs/observability.md has no {metric}"));
            known.extend(words(row));
        }
        for label in labels(&query) {
            assert!(known.contains(label.as_str()), "{place}: nothing has the label {label}: {query}");
        }
        assert!(!metrics.is_empty() || words(&query).any(|word| word == "up"), "{place} watches nothing: {query}");
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let count = |bracket: char| query.chars().filter(|c| *c == bracket).count();
            assert_eq!(count(open), count(close), "{place}: {query}");
        }
    }
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let mut pages = BTreeSet::from(["docs/runbook/README.md".to_owned()]);
    let index = text("docs/runbook/README.md");
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        assert!(!rule["annotations"]["summary"].as_str().unwrap().is_empty(), "{name}");
        let page = rule["annotations"]["runbook_url"].as_str().unwrap();
        let content = text(page);
        assert!(content.starts_with(&format!("# {name}\n\nSeverity: {severity}.")), "{page} is not about {name}");
        for heading in ["## What customers notice", "## How to check", "## What to do"] {
            assert!(content.contains(heading), "{page}: {heading}");
        }
        let file = page.rsplit('/').next().unwrap();
        assert!(
            index.contains(&format!("| {name} | {severity} | [{}]({file}) |", file.trim_end_matches(".md"))),
            "{name}"
        );
        pages.insert(page.to_owned());
    }
    for file in std::fs::read_dir(root().join("docs/runbook")).unwrap() {
        let page = format!("docs/runbook/{}", file.unwrap().file_name().into_string().unwrap());
        assert!(pages.contains(&page), "{page} belongs to no alert");
    }
}

#[test]
fn dashboards_are_whole_and_look_where_the_data_is() {
    let sources = yaml("deploy/grafana/provisioning/datasources/sources.yaml");
    let sources: Vec<&Value> = sources["datasources"].as_array().unwrap().iter().map(|source| &source["uid"]).collect();
    let dashboards = dashboards();
    let uids: BTreeSet<String> = dashboards.iter().map(|(_, dashboard)| dashboard["uid"].to_string()).collect();
    assert!(dashboards.len() >= 3 && uids.len() == dashboards.len());
    for (name, dashboard) in dashboards {
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{name}");
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            assert!(
                !panel["title"].as_str().unwrap().is_empty() && panel["description"].is_string(),
                "{name}: {panel}"
            );
            assert!(sources.contains(&&panel["datasource"]["uid"]), "{name}: {panel}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{name}: {panel}");
        }
    }
}

#[test]
fn prometheus_asks_every_service_where_it_listens() {
    let config = yaml("deploy/prometheus/prometheus.yaml");
    let mut asked = BTreeSet::new();
    for job in config["scrape_configs"].as_array().unwrap() {
        let target = job["static_configs"][0]["targets"][0].as_str().unwrap();
        let (host, port) = target.split_once(':').unwrap();
        assert_eq!(job["job_name"], host);
        assert_eq!(of_compose()[host].port().to_string(), port, "{host}");
        asked.insert(host.to_owned());
    }
    let served = of_compose().into_values().filter(|container| container.serves().is_some());
    assert_eq!(asked, served.map(|container| container.name).collect());
    for query in queries() {
        for job in query.1.split("job=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(asked.contains(job), "{}: nobody is {job}", query.0);
        }
    }
    assert_eq!(config["rule_files"], serde_json::json!(["alerts.yaml"]));
    assert!(compose()["services"]["prometheus"]["volumes"][0].as_str().unwrap().starts_with("./deploy/prometheus:"));
}
