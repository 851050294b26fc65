//! The files against their schemas, and what a schema can't say: order of starting, health, rights, ports.

use serde_json::{Value, json};

use super::containers::{compose, manifests, of_compose, of_kubernetes, strings, text};

const SERVICES: [&str; 5] = ["ingest", "scoring", "churn-warning", "notification", "console"];

fn schema(name: &str) -> Value {
    serde_json::from_str(&text(&format!("tests/mesh/schemas/{name}.json"))).unwrap()
}

#[track_caller]
fn assert_valid(schema: &Value, what: &str, instance: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors = validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path()));
    let errors: Vec<String> = errors.collect();
    assert!(errors.is_empty(), "{what}:\n{}", errors.join("\n"));
}

fn is_valid(schema: &Value, instance: &Value) -> bool {
    jsonschema::validator_for(schema).unwrap().is_valid(instance)
}

#[test]
fn compose_follows_the_compose_specification() {
    let (schema, compose) = (schema("compose-spec"), compose());
    assert_valid(&schema, "docker-compose.yml", &compose);
    // The schema is one that finds mistakes.
    for (key, value) in [("comand", json!(["x"])), ("ports", json!("7171")), ("restart", json!(3))] {
        let mut wrong = compose.clone();
        wrong["services"]["ingest"][key] = value;
        assert!(!is_valid(&schema, &wrong), "{key} is not checked");
    }
}

/// The schema of a manifest's kind.
fn kind_schema(definitions: &Value, manifest: &Value) -> Value {
    let (group, version) = match manifest["apiVersion"].as_str().unwrap().split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", manifest["apiVersion"].as_str().unwrap()),
    };
    let kind = json!({"group": group, "version": version, "kind": manifest["kind"]});
    let all = definitions["definitions"].as_object().unwrap();
    let is_kind = |definition: &Value| {
        definition["x-kubernetes-group-version-kind"].as_array().is_some_and(|kinds| kinds.contains(&kind))
    };
    let name = all.iter().find(|(_, definition)| is_kind(definition));
    let (name, _) = name.unwrap_or_else(|| panic!("tests/mesh/schemas/kubernetes.json has no {kind}"));
    json!({"$ref": format!("#/definitions/{name}"), "definitions": all})
}

#[test]
fn manifests_follow_the_schemas_of_kubernetes() {
    let definitions = schema("kubernetes");
    for (path, manifest) in manifests() {
        assert_valid(&kind_schema(&definitions, &manifest), &path, &manifest);
    }
    let (_, deployment) = manifests().into_iter().find(|(_, manifest)| manifest["kind"] == "Deployment").unwrap();
    let schema = kind_schema(&definitions, &deployment);
    let mut wrong = deployment.clone();
    wrong["spec"]["replicas"] = json!("two");
    assert!(!is_valid(&schema, &wrong));
    let mut wrong = deployment;
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = json!({});
    assert!(!is_valid(&schema, &wrong));
}

#[test]
fn compose_starts_everything_in_order_and_looks_after_it() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let condition = |name: &str, on: &str| services[name]["depends_on"][on]["condition"].clone();
    for name in SERVICES {
        assert_eq!(condition(name, "topics"), "service_completed_successfully", "{name}");
        assert_eq!(condition(name, "postgres"), "service_healthy", "{name}");
        assert_eq!(services[name]["restart"], "unless-stopped", "{name}");
        let port = of_compose()[name].port();
        let check = strings(&services[name]["healthcheck"]["test"]);
        let asks =
            ["CMD", "tiermesh", "healthcheck", "--url", &format!("http://127.0.0.1:{port}/readyz")].map(str::to_owned);
        assert_eq!(check, asks, "{name}");
    }
    assert_eq!(condition("topics", "kafka"), "service_healthy");
    assert_eq!(condition("policies", "ingest"), "service_healthy");
    for (name, service) in services {
        let image = service["image"].as_str().unwrap();
        let tag = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image} has no tag")).1;
        let ours = image.starts_with("tiermesh:");
        assert!(ours || tag.chars().any(|c| c.is_ascii_digit()) && tag != "latest", "{name}: {image} is not pinned");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name} publishes {port} to the network");
        }
        assert_eq!(service["read_only"] == true && service["cap_drop"] == json!(["ALL"]), ours, "{name}: its rights");
    }
}

#[test]
fn what_the_files_mount_is_there() {
    for (name, service) in compose()["services"].as_object().unwrap() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let is_there = match source.strip_prefix("./") {
                Some(path) => crate::data::root().join(path).exists(),
                None => compose()["volumes"].as_object().unwrap().contains_key(source),
            };
            assert!(is_there, "{name} mounts {source}, which isn't there");
        }
    }
    for (name, value) in text(".env.example").lines().filter_map(|line| line.split_once('=')) {
        assert!(text("docker-compose.yml").contains(&format!("${{{name}:-{value}}}")), ".env.example: {name}={value}");
    }
}

#[test]
fn kubernetes_runs_every_service_with_few_rights_and_time_to_stop() {
    let manifests: Vec<Value> = manifests().into_iter().map(|(_, manifest)| manifest).collect();
    let of_kind = |kind: &str| manifests.iter().filter(|manifest| manifest["kind"] == kind).collect::<Vec<_>>();
    let mut deployed: Vec<&str> = Vec::new();
    for manifest in of_kind("Deployment") {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        deployed.push(name);
        let pod = &manifest["spec"]["template"]["spec"];
        assert!(manifest["spec"]["replicas"].as_u64().unwrap() >= 2, "{name}");
        // A service takes up to 20 s to stop.
        assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 20, "{name}");
        let container = &pod["containers"][0];
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let path = if probe == "readinessProbe" { "/readyz" } else { "/healthz" };
            assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "http"}), "{name}");
        }
        let port = of_kubernetes()[name].port();
        assert_eq!(container["ports"], json!([{"name": "http", "containerPort": port}]), "{name}");
        let labels = &manifest["spec"]["template"]["metadata"]["labels"];
        for kind in ["Service", "PodDisruptionBudget"] {
            let beside = of_kind(kind).into_iter().find(|beside| beside["metadata"]["name"] == name);
            let selector = &beside.unwrap_or_else(|| panic!("{name} has no {kind}"))["spec"]["selector"];
            assert!(selector == labels || selector["matchLabels"] == *labels, "{name}: {kind}");
        }
    }
    deployed.sort_unstable();
    let mut services = SERVICES;
    services.sort_unstable();
    assert_eq!(deployed, services);
    for manifest in of_kind("Deployment").into_iter().chain(of_kind("Job")) {
        let pod = &manifest["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        let rights = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(pod["containers"][0]["securityContext"], rights);
        assert!(pod["containers"][0]["resources"]["requests"]["memory"].is_string());
    }
}
