//! The containers that the deployment files describe: what each is started with, so that tests can start the same.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::data::root;

/// The image of this project, as both kinds of files call it.
const IMAGE: &str = "tiermesh";

/// A container of the project's image, with what its file gives it.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// What it finds in files, by their paths in the container.
    pub(crate) files: BTreeMap<String, String>,
}

impl Container {
    /// The service that it serves, if it serves one.
    pub(crate) fn serves(&self) -> Option<&str> {
        match &self.arguments[..] {
            [serve, service, ..] if serve == "serve" => Some(service),
            _ => None,
        }
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        let listen = &self.environment["TIERMESH_LISTEN"];
        listen.strip_prefix("0.0.0.0:").unwrap().parse().unwrap()
    }
}

/// A YAML file of the repository.
pub(crate) fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML file of the repository.
pub(crate) fn yamls(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file of the repository.
pub(crate) fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The strings of a list.
pub(crate) fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    list.iter().map(|item| item.as_str().unwrap_or_else(|| panic!("{item} is no string")).to_owned()).collect()
}

/// `docker-compose.yml`, every `${NAME:-default}` as it is without an `.env`.
pub(crate) fn compose() -> Value {
    let mut compose = yaml("docker-compose.yml");
    interpolate(&mut compose);
    compose
}

fn interpolate(value: &mut Value) {
    match value {
        Value::String(text) => {
            while let Some(start) = text.find("${") {
                let end = start + text[start..].find('}').unwrap();
                let (_, default) =
                    text[start + 2..end].split_once(":-").unwrap_or_else(|| panic!("{text}: no default"));
                let default = default.to_owned();
                text.replace_range(start..=end, &default);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(interpolate),
        Value::Object(fields) => fields.values_mut().for_each(interpolate),
        _ => {}
    }
}

/// What Compose starts of the project's image, by name.
pub(crate) fn of_compose() -> BTreeMap<String, Container> {
    let compose = compose();
    let services = compose["services"].as_object().unwrap().iter();
    let ours = services.filter(|(_, service)| service["image"].as_str().unwrap().starts_with(&format!("{IMAGE}:")));
    let container = |(name, service): (&String, &Value)| {
        let environment = service["environment"].as_object().unwrap().iter();
        let environment = environment.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect();
        let mut files = BTreeMap::new();
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let parts: Vec<&str> = volume.as_str().unwrap().split(':').collect();
            files.insert(parts[1].to_owned(), text(parts[0].strip_prefix("./").unwrap()));
        }
        let arguments = strings(&service["command"]);
        (name.clone(), Container { name: name.clone(), arguments, environment, files })
    };
    ours.map(container).collect()
}

/// The manifests of the Kubernetes base, file by file, the example of the secret among them.
pub(crate) fn manifests() -> Vec<(String, Value)> {
    let base = "deploy/kubernetes/base";
    let kustomization = yaml(&format!("{base}/kustomization.yaml"));
    let mut names = strings(&kustomization["resources"]);
    names.push("secret.example.yaml".to_owned());
    let files = names.iter().map(|name| format!("{base}/{name}"));
    files.flat_map(|path| yamls(&path).into_iter().map(move |manifest| (path.clone(), manifest))).collect()
}

/// What Kubernetes starts of the project's image, by name.
pub(crate) fn of_kubernetes() -> BTreeMap<String, Container> {
    let manifests: Vec<Value> = manifests().into_iter().map(|(_, manifest)| manifest).collect();
    let mut containers = BTreeMap::new();
    for manifest in &manifests {
        let pod = &manifest["spec"]["template"]["spec"];
        for container in pod["containers"].as_array().into_iter().flatten() {
            assert_eq!(container["image"], IMAGE, "{container}");
            let name = container["name"].as_str().unwrap().to_owned();
            let variables = container["env"].as_array().unwrap().iter();
            let environment = variables
                .map(|variable| (variable["name"].as_str().unwrap().to_owned(), value_of(variable, &manifests)))
                .collect();
            let mut files = BTreeMap::new();
            for mount in container["volumeMounts"].as_array().into_iter().flatten() {
                let volumes = pod["volumes"].as_array().unwrap();
                let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
                let map = named(&manifests, "ConfigMap", &volume["configMap"]["name"]);
                for (file, content) in map["data"].as_object().unwrap() {
                    let path = format!("{}/{file}", mount["mountPath"].as_str().unwrap());
                    files.insert(path, content.as_str().unwrap().to_owned());
                }
            }
            let arguments = strings(&container["args"]);
            containers.insert(name.clone(), Container { name, arguments, environment, files });
        }
    }
    containers
}

fn value_of(variable: &Value, manifests: &[Value]) -> String {
    let value = match (&variable["value"], &variable["valueFrom"]) {
        (Value::String(value), _) => return value.clone(),
        (_, from) if from["configMapKeyRef"].is_object() => {
            let from = &from["configMapKeyRef"];
            &named(manifests, "ConfigMap", &from["name"])["data"][from["key"].as_str().unwrap()]
        }
        (_, from) => {
            let from = &from["secretKeyRef"];
            &named(manifests, "Secret", &from["name"])["stringData"][from["key"].as_str().unwrap()]
        }
    };
    value.as_str().unwrap_or_else(|| panic!("{variable} leads nowhere")).to_owned()
}

fn named<'a>(manifests: &'a [Value], kind: &str, name: &Value) -> &'a Value {
    let found = manifests.iter().find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == *name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}
