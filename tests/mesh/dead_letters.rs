//! Dead letters from the first refusal to the last correction, by the command alone.

use serde_json::{Value, json};
use tiermesh_testkit::wait_for;

use crate::{
    data::{ndjson, now},
    mesh_process::{self, PATIENCE, run},
    running::Mesh,
};

struct Desk {
    mesh: Mesh,
    data: String,
}

impl Desk {
    fn open() -> Self {
        let mut mesh = Mesh::embedded();
        mesh.process("up").launch();
        mesh.process("up").wait_until_ready();
        let data = mesh.directory().join("data").display().to_string();
        Self { mesh, data }
    }

    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let text = run(&[&["dead-letters", "list", "--json", "--data", &self.data], arguments].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one letter of that event, or row.
    fn letter(&self, key: &str, value: &str) -> Value {
        let mut found: Vec<Value> = self.list(&["--all"]).into_iter().filter(|letter| letter[key] == value).collect();
        assert_eq!(found.len(), 1, "{key} {value}: {found:?}");
        found.remove(0)
    }

    fn show(&self, id: &str) -> Value {
        serde_json::from_str(&run(&["dead-letters", "show", id, "--data", &self.data])).unwrap()
    }

    /// Sends a correction: what it printed, and whether it was taken.
    fn correct(&self, arguments: &[&str]) -> (bool, String) {
        let url = self.mesh.url();
        attempt(&[&["dead-letters", "send", "--to", &url, "--data", &self.data], arguments].concat())
    }

    /// Sends files of which not all is taken.
    fn send(&self, arguments: &[&str]) -> Value {
        let url = self.mesh.url();
        let (all_taken, text) = attempt(&[&["send", "--json", "--to", &url], arguments].concat());
        assert!(!all_taken, "{text}");
        serde_json::from_str(text.lines().find(|line| line.starts_with('{')).unwrap()).unwrap()
    }
}

/// Whether the command succeeded, and all that it wrote.
fn attempt(arguments: &[&str]) -> (bool, String) {
    let (code, told, wrong) = mesh_process::attempt(arguments);
    (code == 0, format!("{told}\n{wrong}"))
}

fn order(id: &str, customer: &str, amount: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "erp/retail", "type": "tiermesh.order.placed", "subject": customer,
        "time": tiermesh_domain::time::format_instant(now() - 60_000),
        "data": {"order_id": id, "currency": "GBP", "amount": amount},
    })
}

#[test]
fn what_was_refused_is_listed_corrected_and_sent_again() {
    let mut desk = Desk::open();
    let bad = [order("good", "c1", "10.00"), order("much", "c1", "much"), order("early", "c2", "5.00")];
    let mut bad = bad.to_vec();
    bad[2]["time"] = "yesterday".into();
    let events = desk.mesh.file("events.ndjson", &ndjson(&bad));
    let rows = "invoice,customer_id,timestamp,amount\n1,c3,2009-12-01T07:45:00Z,7.00\n2,c3,once,8.00\n";
    let table = desk.mesh.file("rows.csv", rows.as_bytes());
    assert_eq!(desk.send(&[&events])["refused"], 2);
    assert_eq!(desk.send(&["--mapping", "retail", &table])["refused"], 1);

    // Which there are, and what is wrong with each.
    let fields = |letters: &[Value]| {
        let mut fields: Vec<String> =
            letters.iter().map(|letter| letter["field"].as_str().unwrap().to_owned()).collect();
        fields.sort();
        fields
    };
    assert_eq!(fields(&desk.list(&[])), ["data.amount", "time", "timestamp"]);
    assert_eq!(fields(&desk.list(&["--field", "time"])), ["time"]);
    assert_eq!(fields(&desk.list(&["--source", "erp/*"])), ["data.amount", "time"]);
    assert_eq!(desk.list(&["--since", "2999-01-01T00:00:00Z"]), [] as [Value; 0]);
    let row = desk.letter("field", "timestamp");
    assert_eq!(row["from"], format!("{table}:3"));
    let shown = desk.show(row["id"].as_str().unwrap());
    assert_eq!(shown["original"], json!({"invoice": "2", "customer_id": "c3", "timestamp": "once", "amount": "8.00"}));

    // A correction that is none is told, and changes nothing.
    let much = desk.letter("event", "much")["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.show(&much)["original"], bad[1]);
    let (taken, told) = desk.correct(&[&much, "--set", "data.amount=more"]);
    assert!(!taken && told.contains("data.amount"), "{told}");
    assert_eq!(desk.letter("event", "much")["state"], "open");
    let (taken, told) = desk.correct(&[&much, "--set", "data.amount=12.00"]);
    assert!(taken, "{told}");
    let resolved = desk.letter("event", "much");
    assert_eq!(resolved["state"], "resolved");
    assert_eq!(resolved["became"], json!({"source": "erp/retail", "id": "much", "subject": "c1"}));
    assert_eq!(fields(&desk.list(&[])), ["time", "timestamp"]);

    // A row is no event: the whole event takes its place.
    let (taken, told) = desk.correct(&[row["id"].as_str().unwrap()]);
    assert!(!taken && told.contains("--file"), "{told}");
    let whole = desk.mesh.file("row.ndjson", &ndjson(&[order("2", "c3", "8.00")]));
    let (taken, told) = desk.correct(&[row["id"].as_str().unwrap(), "--file", &whole]);
    assert!(taken, "{told}");

    // The same file again: what is known counts once, and no letter stands there twice.
    assert_eq!(desk.send(&[&events])["refused"], 2);
    assert_eq!(desk.letter("event", "early")["times"], 2);
    assert_eq!(fields(&desk.list(&[])), ["time"]);

    // Nothing is to come of the last.
    let early = desk.letter("event", "early")["id"].as_str().unwrap().to_owned();
    let url = desk.mesh.url();
    run(&["dead-letters", "dismiss", &early, "--reason", "sent by a test", "--to", &url]);
    assert_eq!(desk.list(&[]), [] as [Value; 0]);
    assert_eq!(desk.letter("event", "early")["became"], json!({"reason": "sent by a test"}));

    // Whoever follows sees what became of each, by the id that the letter has.
    let tail = ["tail", "dead-letters", "--json", "--from-start", "--no-follow", "--data", &desk.data];
    let told: Vec<Value> = run(&tail).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let dismissed = json!({"letter": early, "state": "dismissed", "became": {"reason": "sent by a test"}});
    assert!(told.iter().any(|line| line["data"] == dismissed), "{told:?}");
    let became = json!({"source": "erp/retail", "id": "much", "subject": "c1"});
    let sent = json!({"letter": much, "state": "resolved", "became": became});
    assert!(told.iter().any(|line| line["data"] == sent), "{told:?}");
    let text = run(&["tail", "dead-letters", "--from-start", "--no-follow", "--data", &desk.data]);
    assert!(text.contains(&format!("{early} dismissed: sent by a test")), "{text}");
    assert!(text.contains(&format!("{much} resolved by erp/retail much")), "{text}");
    // And the console counts none any more.
    wait_for("no open dead letter in the console", PATIENCE, || {
        let status = desk.mesh.process("up").get("/api/v1/status");
        serde_json::from_str::<Value>(&status).unwrap()["dead_letters"]["open"] == 0
    });

    let sales = || -> Vec<(String, String)> {
        let export = run(&["export", "customers", "--data", &desk.data]);
        let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let card = lines.filter(|line| line["policy"] == "scorecard");
        card.map(|line| (line["customer"].to_string(), line["metrics"]["net_sales"].to_string())).collect()
    };
    let expected = [("\"c1\"", "\"22.00\""), ("\"c3\"", "\"8.00\"")];
    wait_for("sales of what was corrected", PATIENCE, || {
        sales().iter().map(|(customer, sales)| (customer.as_str(), sales.as_str())).eq(expected)
    });
}

#[test]
fn a_conflict_is_a_dead_letter_that_becomes_another_event() {
    let desk = Desk::open();
    let first = desk.mesh.file("first.ndjson", &ndjson(&[order("o1", "c1", "10.00")]));
    let other = desk.mesh.file("other.ndjson", &ndjson(&[order("o1", "c1", "11.00")]));
    for file in [&first, &other] {
        assert_eq!(desk.mesh.send(&[file])["accepted"], 1);
    }
    wait_for("the conflict", PATIENCE, || desk.list(&[]).len() == 1);
    let conflict = desk.letter("from", "conflict");
    let id = conflict["id"].as_str().unwrap();
    let shown = desk.show(id);
    assert_eq!((&shown["original"]["id"], &shown["original"]["data"]["amount"]), (&json!("o1"), &json!("11.00")));
    let (taken, told) = desk.correct(&[id, "--set", "id=o2"]);
    assert!(!taken && told.contains("--file"), "{told}");
    let (taken, told) = desk.correct(&[id, "--file", &other]);
    assert!(!taken && told.contains("an id of its own"), "{told}");
    let (taken, told) = desk.correct(&[id, "--file", &other, "--set", "id=o2", "--set", "data.order_id=o2"]);
    assert!(taken, "{told}");
    assert_eq!(desk.letter("from", "conflict")["became"]["id"], "o2");
    assert_eq!(desk.list(&[]), [] as [Value; 0]);
}

#[test]
fn letters_that_are_not_there_are_told() {
    let desk = Desk::open();
    let url = desk.mesh.url();
    for (arguments, words) in [
        (&["send", "7-99", "--set", "a=b", "--to", &url, "--data", &desk.data][..], "no dead letter"),
        (&["show", "nonsense", "--data", &desk.data], "no dead letter"),
        (&["dismiss", "0-99", "--reason", "r", "--to", &url], "no dead letter 0-99"),
        (&["dismiss", "nonsense", "--reason", "r", "--to", &url], "such as 3-17"),
        (&["dismiss", "0-1", "--reason", " ", "--to", &url], "reason: is empty"),
        (&["list", "--since", "today", "--data", &desk.data], "--since"),
    ] {
        let (taken, told) = attempt(&[&["dead-letters"], arguments].concat());
        assert!(!taken && told.contains(words), "{arguments:?}: {told}");
    }
}
