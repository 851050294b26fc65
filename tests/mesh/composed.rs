//! A mesh of separate processes, started from the settings in a deployment file. What is replaced is only where things
//! are: hosts, ports, paths, and how the broker is reached.

use std::collections::BTreeMap;

use tiermesh_testkit::free_port;

use crate::{
    deploy::containers::Container,
    mesh_process::{Process, run_with},
    running::Mesh,
};

/// In what order the services are started; each is independent of the others.
const SERVICES: [&str; 5] = ["ingest", "scoring", "churn-warning", "notification", "console"];

/// The mesh, and what it was started from.
pub(crate) struct Composed {
    pub(crate) mesh: Mesh,
    containers: BTreeMap<String, Container>,
    ports: BTreeMap<String, u16>,
}

impl Composed {
    /// Runs the container `topics` to its end, then every service, and waits until all are ready. `changed` gives
    /// flags of `topics` other values.
    pub(crate) fn start(containers: BTreeMap<String, Container>, changed: &BTreeMap<&str, &str>) -> Self {
        let mesh = Mesh::on_empty_kafka();
        let ports = SERVICES.iter().map(|name| ((*name).to_owned(), free_port())).collect();
        let mut composed = Self { mesh, containers, ports };
        composed.place(changed);
        composed.run("topics");
        for name in SERVICES {
            let container = &composed.containers[name];
            let process = Process::of_settings(
                name,
                composed.mesh.directory(),
                &container.arguments,
                &container.environment,
                composed.ports[name],
            );
            composed.mesh.add(name, process);
            composed.mesh.process(name).launch();
        }
        for name in SERVICES {
            composed.mesh.process(name).wait_until_ready();
        }
        composed
    }

    /// Runs a container to its end, which must be a good one; what it wrote.
    pub(crate) fn run(&self, name: &str) -> String {
        let container = &self.containers[name];
        let arguments: Vec<&str> = container.arguments.iter().map(String::as_str).collect();
        run_with(&arguments, &container.environment)
    }

    /// Where a service listens here.
    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        self.ports.get(name).copied()
    }

    /// Stops every service, each in good order.
    pub(crate) fn stop(&mut self) {
        SERVICES.iter().for_each(|name| self.mesh.process(name).stop());
    }

    /// Puts what the containers were told into this machine's terms.
    fn place(&mut self, changed: &BTreeMap<&str, &str>) {
        let ingest = self.ports["ingest"];
        for container in self.containers.values_mut() {
            for (flag, value) in changed {
                let at = container.arguments.iter().position(|argument| argument == flag);
                if let Some(at) = at {
                    container.arguments[at + 1] = (*value).to_owned();
                }
            }
            let mut files = BTreeMap::new();
            for (path, content) in &container.files {
                let name = format!("{}-{}", container.name, path.rsplit('/').next().unwrap());
                files.insert(path.clone(), self.mesh.file(&name, content.as_bytes()));
            }
            for (variable, value) in &mut container.environment {
                match variable.as_str() {
                    "TIERMESH_KAFKA" => *value = self.mesh.brokers().to_owned(),
                    "TIERMESH_STORE" => *value = self.mesh.store().to_owned(),
                    "TIERMESH_LISTEN" => *value = format!("127.0.0.1:{}", self.ports[&container.name]),
                    "TIERMESH_URL" => *value = format!("http://127.0.0.1:{ingest}"),
                    // Nobody is there, which mustn't matter.
                    "OTEL_EXPORTER_OTLP_ENDPOINT" => *value = format!("http://127.0.0.1:{}", free_port()),
                    _ => {
                        if let Some(file) = files.get(value) {
                            value.clone_from(file);
                        }
                    }
                }
            }
            // A member that was killed is to be given up soon; the default is for networks, not for tests.
            let sessions = "session.timeout.ms=3000,heartbeat.interval.ms=500".to_owned();
            container.environment.insert("TIERMESH_KAFKA_PROPERTIES".to_owned(), sessions);
        }
    }
}
