//! Every container of the project's image, started: the command takes each flag and variable that the files give it,
//! and every service gets ready.

use std::collections::BTreeMap;

use super::containers::{Container, compose, of_compose, of_kubernetes, strings};
use crate::{
    composed::Composed,
    mesh_process::{run, run_with},
};

/// All the help there is for a container's command.
fn help(container: &Container) -> String {
    let words = container.arguments.iter().take_while(|word| !word.starts_with('-'));
    let mut words: Vec<&str> = words.map(String::as_str).collect();
    // `policy activate NAME…`
    words.truncate(2);
    let mut help = run(&[&words[..], &["--help"]].concat());
    if container.name == "tools" {
        // It is there for every command.
        help += &run(&["send", "--help"]);
    }
    help
}

#[test]
fn the_command_takes_every_flag_and_variable() {
    let containers = of_compose().into_values().chain(of_kubernetes().into_values());
    for container in containers {
        let name = &container.name;
        // What stands before --help is read, values included.
        let arguments: Vec<&str> = container.arguments.iter().map(String::as_str).chain(["--help"]).collect();
        let help = help(&container);
        run_with(&arguments, &BTreeMap::new());
        for variable in container.environment.keys() {
            let is_known = help.contains(&format!("[env: {variable}"));
            let is_named_in_a_file = container.files.values().any(|file| file.contains(variable));
            let is_of_webhooks = variable == "TIERMESH_WEBHOOK_SECRET" && container.serves() == Some("notification");
            assert!(is_known || is_named_in_a_file || is_of_webhooks, "{name}: nothing reads {variable}:\n{help}");
        }
    }
}

#[test]
fn every_service_starts_with_the_settings_of_compose() {
    let mut composed = Composed::start(of_compose(), &BTreeMap::new());
    composed.run("policies");
    // In the trial that is asked for again at each start.
    composed.run("topics");
    composed.run("policies");
    for (name, service) in compose()["services"].as_object().unwrap() {
        let Some(port) = composed.port(name) else { continue };
        let check = strings(&service["healthcheck"]["test"]);
        let mapped = check.last().unwrap().replace(&of_compose()[name].port().to_string(), &port.to_string());
        let answer = run(&["healthcheck", "--url", &mapped]);
        assert!(answer.contains("ready"), "{name}: {answer}");
    }
    composed.stop();
}

#[test]
fn every_service_starts_with_the_settings_of_kubernetes() {
    // One broker without passwords is all that there is here.
    let changed = BTreeMap::from([("--replication", "1"), ("--min-in-sync", "1")]);
    let mut composed = Composed::start(of_kubernetes(), &changed);
    composed.stop();
}
