//! The tools around a mesh: what they show, what they say is wrong, and what they tell people who mistype.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tiermesh_domain::time::{DAY_MS, format_instant};
use tiermesh_testkit::wait_for;

use crate::{
    data::{now, retail_file},
    mesh_process::{PATIENCE, attempt, run},
    running::Mesh,
};

fn event(id: &str, kind: &str, customer: &str, data: Value) -> String {
    json!({
        "specversion": "1.0", "id": id, "source": "test/shop", "type": format!("tiermesh.{kind}"), "subject": customer,
        "time": format_instant(now()), "data": data,
    })
    .to_string()
}

fn order(id: &str, customer: &str, amount: &str, currency: &str) -> String {
    event(id, "order.placed", customer, json!({"order_id": id, "currency": currency, "amount": amount}))
}

fn embedded() -> (Mesh, String) {
    let mut mesh = Mesh::embedded();
    mesh.process("up").launch();
    mesh.process("up").wait_until_ready();
    let data = mesh.directory().join("data").display().to_string();
    (mesh, data)
}

fn send(mesh: &Mesh, events: &[String]) {
    let file = mesh.file("events.ndjson", events.join("\n").as_bytes());
    mesh.send(&[&file]);
    mesh.wait_until_folded();
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tiermesh"));
    Running(command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

#[test]
fn tail_shows_what_was_and_what_comes() {
    let (mesh, data) = embedded();
    send(&mesh, &[order("o1", "ada", "100.00", "GBP"), order("o2", "bob", "7.00", "GBP")]);
    let source = ["--data", &data];
    let shown = run(&[&["tail", "events", "--json", "--from-start", "--no-follow"], &source[..]].concat());
    let lines = json_lines(&shown);
    assert_eq!(lines.len(), 2, "{shown}");
    let ada = lines.iter().find(|line| line["data"]["subject"] == "ada").unwrap();
    assert_eq!((&ada["what"], &ada["data"]["data"]["amount"]), (&"event".into(), &"100.00".into()));
    let of_ada = ["tail", "changes", "--json", "--from-start", "--no-follow", "--customer", "ada", "--data", &data];
    let changes = json_lines(&run(&of_ada));
    assert!(!changes.is_empty() && changes.iter().all(|line| line["data"]["customer"] == "ada"), "{changes:?}");
    let last = run(&["tail", "changes", "--json", "--last", "1", "--no-follow", "--data", &data]);
    assert_eq!(json_lines(&last).len(), 1);

    let mut tail = spawn(&["tail", "events", "--last", "1", "--data", &data]);
    let mut lines = BufReader::new(tail.0.stdout.take().unwrap()).lines();
    // It is at the end now, and waits.
    assert!(lines.next().unwrap().unwrap().contains("order.placed"));
    send(&mesh, &[order("o3", "cleo", "12.34", "GBP")]);
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("cleo") && line.contains("12.34"), "{line}");
}

#[test]
fn explain_says_why_and_knows_whom_is_meant() {
    let (mesh, data) = embedded();
    send(&mesh, &[order("o1", "shop-berlin", "600000.00", "GBP"), order("o2", "bob", "7.00", "GBP")]);
    let told: Value = serde_json::from_str(&run(&["explain", "shop-berlin", "--json", "--data", &data])).unwrap();
    let policies: Vec<&str> =
        told["standings"].as_array().unwrap().iter().map(|standing| standing["policy"].as_str().unwrap()).collect();
    assert_eq!(policies, ["abc", "lifecycle", "pyramid", "scorecard"]);
    let exported: Vec<Value> = json_lines(&mesh.export("customers"));
    for standing in told["standings"].as_array().unwrap() {
        let line =
            exported.iter().find(|line| line["customer"] == "shop-berlin" && line["policy"] == standing["policy"]);
        assert_eq!((&line.unwrap()["tier"], &line.unwrap()["score"]), (&standing["tier"], &standing["score"]));
    }
    let text = run(&["explain", "shop-berlin", "--data", &data]);
    for word in
        ["scorecard", "sales", "weight 50", "without data: collection, breadth", "order.placed", "600000.00 GBP"]
    {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    let (code, _, told) = attempt(&["explain", "berlin", "--data", &data]);
    assert!(code == 1 && told.contains("similar: shop-berlin"), "{told}");
    let yesterday = format_instant(now() - DAY_MS);
    let (code, _, told) = attempt(&["explain", "bob", "--at", &yesterday, "--data", &data]);
    assert!(code == 1 && told.contains("no event yet then") && told.contains("--at"), "{told}");
    let (code, _, told) = attempt(&["explain", "bob", "--at", "2026-01-01", "--data", &data]);
    assert!(code == 1 && told.contains("--at 2026-01-01T00:00:00Z"), "{told}");
}

fn doctor(mesh: &Mesh, data: &str) -> (i32, Vec<Value>) {
    let (code, text, told) = attempt(&["doctor", "--json", "--data", data, "--url", &mesh.url()]);
    let said: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{told}"));
    let findings = said["findings"].as_array().unwrap().clone();
    assert_eq!(code == 1, findings.iter().any(|finding| finding["state"] == "wrong"));
    (code, findings)
}

/// The findings of an area that are not well.
fn ill<'a>(findings: &'a [Value], area: &str) -> Vec<&'a Value> {
    findings.iter().filter(|finding| finding["area"] == area && finding["state"] != "well").collect()
}

#[test]
fn doctor_finds_what_is_wrong_and_says_what_to_do() {
    let (mut mesh, data) = embedded();
    send(&mesh, &[order("o1", "ada", "100.00", "GBP")]);
    // A tick comes at the next ten seconds.
    let mut found = Vec::new();
    wait_for("a mesh in which nothing is wrong", PATIENCE, || {
        let (code, findings) = doctor(&mesh, &data);
        found = findings;
        code == 0
    });
    for area in ["service", "store", "log", "policies", "time", "sources", "money", "lag", "dead letters", "deliveries"]
    {
        assert!(found.iter().any(|finding| finding["area"] == area), "{area} was not looked at: {found:?}");
    }

    let refund = json!({"refund_id": "r1", "order_id": "o1", "currency": "GBP", "amount": "130.00"});
    send(&mesh, &[order("o2", "ada", "50.00", "CHF"), event("r1", "order.refunded", "ada", refund)]);
    let bad = mesh.file("bad.ndjson", order("o3", "ada", "a lot", "GBP").as_bytes());
    attempt(&["send", &bad, "--to", &mesh.url()]);
    let (code, findings) = doctor(&mesh, &data);
    assert_eq!(code, 1);
    let money: String = ill(&findings, "money").iter().map(ToString::to_string).collect();
    assert!(money.contains("50.00 CHF") && money.contains("add a rate for CHF"), "{money}");
    assert!(money.contains("order o1 of ada by 30.00 GBP"), "{money}");
    assert!(ill(&findings, "dead letters")[0]["remedy"].as_str().unwrap().contains("dead-letters list"));

    mesh.process("up").stop();
    let (code, findings) = doctor(&mesh, &data);
    assert_eq!(code, 1);
    assert!(ill(&findings, "service")[0]["what"].as_str().unwrap().contains("no answer"), "{findings:?}");
}

#[test]
fn the_tools_read_kafka_too() {
    let mut mesh = Mesh::on_kafka();
    mesh.serve("ingest", "ingest");
    mesh.serve("scoring", "scoring");
    run(&["policy", "activate", "abc", "scorecard", "--to", &mesh.url()]);
    let file = mesh.file("events.ndjson", order("o1", "ada", "100.00", "GBP").as_bytes());
    mesh.send(&[&file]);
    let kafka = ["--kafka", mesh.brokers()];
    let tail = |what| run(&[&["tail", what, "--json", "--from-start", "--no-follow"], &kafka[..]].concat());
    assert_eq!(json_lines(&tail("events")).len(), 1);
    wait_for("the first tiers", PATIENCE, || {
        let changes = json_lines(&tail("changes"));
        let of = |policy: &str| changes.iter().any(|line| line["data"]["policy"] == policy);
        of("abc") && of("scorecard")
    });
    let told: Value = serde_json::from_str(&run(&[&["explain", "ada", "--json"], &kafka[..]].concat())).unwrap();
    assert_eq!(told["standings"].as_array().unwrap().len(), 2, "{told}");
    let asked = ["doctor", "--json", "--store", mesh.store(), "--url", &mesh.url()];
    let (code, text, _) = attempt(&[&asked[..], &kafka].concat());
    let said: Value = serde_json::from_str(&text).unwrap();
    let findings = said["findings"].as_array().unwrap();
    // Nobody runs churn-warning.
    let lag: String = ill(findings, "lag").iter().map(ToString::to_string).collect();
    assert!(code == 1 && lag.contains("churn-warning: nobody moves"), "{text}");
    assert!(!lag.contains("\"scoring: nobody"), "{lag}");
}

#[test]
fn the_consoles_read_model_is_built_again_while_it_runs() {
    let (mut mesh, data) = embedded();
    send(&mesh, &[order("o1", "ada", "100.00", "GBP"), order("o2", "bob", "7.00", "GBP")]);
    let mut wait_until_built = |generation: u32| {
        wait_for("the read model to be built", PATIENCE, || {
            let status: Value = serde_json::from_str(&mesh.process("up").get("/api/v1/status")).unwrap();
            let is_built = status["building"].is_null() && status["lag"] == 0 && status["customers"] == 2;
            is_built && status["generation"] == generation
        });
    };
    wait_until_built(1);
    let told: Value = serde_json::from_str(&run(&["console", "rebuild", "--json", "--data", &data])).unwrap();
    assert_eq!(told, json!({"generation": 2}));
    wait_until_built(2);
    assert!(run(&["console", "rebuild", "--data", &data]).contains("is dropped"));
    wait_until_built(3);
}

#[test]
fn healthcheck_is_an_exit_code() {
    let (mut mesh, _) = embedded();
    let url = format!("{}/readyz", mesh.url());
    assert_eq!(attempt(&["healthcheck", "--url", &url]).0, 0);
    mesh.process("up").stop();
    assert_eq!(attempt(&["healthcheck", "--url", &url]).0, 1);
}

#[test]
fn shells_and_man_know_the_command() {
    assert!(run(&["completions", "bash"]).contains("churn-warning"));
    let dir = tempfile::tempdir().unwrap();
    run(&["man", &dir.path().display().to_string()]);
    for page in ["tiermesh.1", "tiermesh-up.1", "tiermesh-serve-scoring.1"] {
        assert!(dir.path().join(page).is_file(), "there is no {page}");
    }
}

#[test]
fn what_is_mistyped_is_answered_with_what_is_meant() {
    for (arguments, words) in [
        (&["up", "--listen", "7171"][..], "127.0.0.1:7171"),
        (&["send", "--to", "localhost:7171", "x.ndjson"], "--to http://localhost:7171"),
        (&["policy", "activate", "abc", "--to", "localhost:7171"], "--to http://localhost:7171"),
        (&["serve", "scoring", "--allow-time-leap"], "--allow-time-leap"),
        (&["serve", "scoring", "--kafka", "k:9092"], "--store"),
        (&["up", "--events-per-second", "3"], "--demo"),
        (&["explain", "nobody", "--data", "/nowhere"], "--data"),
        (&["console", "rebuild", "--data", "/nowhere"], "holds no read model; name the directory"),
        (
            &["simulate", "--policy", "abc", "--events", "x", "--until", "2011-12-10", "--out", "x"],
            "--until 2011-12-10T00:00:00Z",
        ),
    ] {
        let (code, _, told) = attempt(arguments);
        assert!(code != 0 && told.contains(words), "{arguments:?}: {told}");
    }
}

#[test]
fn a_service_says_what_it_waits_for() {
    let port = tiermesh_testkit::free_port();
    let nobody = format!("127.0.0.1:{port}");
    let store = format!("postgres://tiermesh@{nobody}/mesh");
    let mut serving = spawn(&["serve", "scoring", "--kafka", &nobody, "--store", &store, "--listen", "127.0.0.1:0"]);
    let mut lines = BufReader::new(serving.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("waiting for Kafka")), "it ended without waiting");
}

#[test]
fn an_existing_mesh_keeps_its_partitions_and_says_so() {
    let (mut mesh, data) = embedded();
    mesh.process("up").stop();
    let port = tiermesh_testkit::free_port();
    let mut up = spawn(&["up", "--partitions", "4", "--data", &data, "--listen", &format!("127.0.0.1:{port}")]);
    let lines = BufReader::new(up.0.stderr.take().unwrap()).lines();
    let told = lines.map_while(Result::ok).find(|line| line.contains("--partitions 4"));
    assert!(told.is_some_and(|line| line.contains("8") && line.contains("--data")), "nothing was said of --partitions");
}

#[test]
fn an_interrupted_history_goes_on_at_once() {
    let (mesh, _) = embedded();
    let file = retail_file().display().to_string();
    let history = ["send", "--history", "--mapping", "retail", "--to", &mesh.url(), &file];
    let sending = spawn(&history);
    wait_for("the history to be under way", PATIENCE, || mesh.events() > 500);
    let interrupted = Command::new("kill").args(["-INT", &sending.0.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let mut sending = sending;
    let status = sending.0.wait().unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut sending.0.stderr.take().unwrap(), &mut told).unwrap();
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(told.contains("send the same again"), "{told}");
    // The session was left: the next one need not wait until it counts as silent, which takes a minute.
    let (code, text, told) = attempt(&[&history[..], &["--retry-for", "20", "--json"]].concat());
    assert_eq!(code, 0, "{told}");
    let sent: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&sent["accepted"], &sent["refused"]), (&22_686.into(), &0.into()), "{sent}");
}
