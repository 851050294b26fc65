//! Files and flags: the command says which, where in it, and what would be right.

use super::{Faults, good, mesh};
use crate::{
    data::{ndjson, root},
    mesh_process::{attempt, run},
    running::Mesh,
};

/// Runs what has to fail, and to tell why.
fn fails(faults: &mut Faults, what: &str, arguments: &[&str], words: &[&str]) {
    let (code, told, wrong) = attempt(arguments);
    let text = format!("{told}\n{wrong}");
    faults.check(code != 0 && !text.contains("panicked"), || format!("{what}: {arguments:?} gives {code}: {text}"));
    faults.tells(what, &text, words);
}

#[test]
fn flags_and_addresses() {
    let mut faults = Faults::default();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("good.ndjson");
    std::fs::write(&file, ndjson(&[good("o1")])).unwrap();
    let file = file.display().to_string();
    let data = dir.path().join("none").display().to_string();
    let new = dir.path().join("new").display().to_string();
    let port = tiermesh_testkit::free_port();
    let nobody = format!("http://127.0.0.1:{port}");
    let postgres = tiermesh_testkit::postgres();
    let host =
        postgres.split_once('@').map_or_else(|| postgres.replacen("postgres://", "", 1), |(_, host)| host.to_owned());
    let wrong_password = format!("postgres://nobody:wrong@{host}");
    let kafka = tiermesh_testkit::kafka();
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("no port", &["up", "--data", &new, "--listen", "7171"], &["--listen", "127.0.0.1:7171"]),
        ("a leap of ports", &["up", "--data", &new, "--listen", "127.0.0.1:99999"], &["--listen"]),
        ("no partitions", &["up", "--data", &new, "--partitions", "0"], &["--partitions", "1..=256"]),
        ("a collector without scheme", &["up", "--data", &new, "--otlp", "host:4317"], &["--otlp", "http://HOST:4317"]),
        ("more than all", &["up", "--data", &new, "--trace-sample", "2"], &["--trace-sample", "from 0"]),
        ("no such flag", &["up", "--dta", &new], &["--dta", "--data"]),
        ("no scheme", &["send", "--to", "localhost:7171", &file], &["--to", "http://localhost:7171"]),
        ("nobody there", &["send", "--to", &nobody, &file], &[&nobody, "tiermesh up"]),
        ("no such file", &["send", "--to", &nobody, "none.ndjson"], &["none.ndjson", "No such file"]),
        ("until without history", &["send", "--until", "2010-12-01", &file], &["--until", "--history"]),
        ("until no instant", &["send", "--history", "--until", "soon", &file], &["--until", "2011-12-10T00:00:00Z"]),
        ("a short key", &["send", "--key", "secret", &file], &["tmk_"]),
        (
            "a day for an instant",
            &["simulate", "--policy", "abc", "--events", &file, "--until", "2010-12-01", "--out", &new],
            &["--until", "2010-12-01T00:00:00Z"],
        ),
        (
            "no such policy",
            &["simulate", "--policy", "abd", "--events", &file, "--until", "2010-12-01T00:00:00Z", "--out", &new],
            &["abd", "abc"],
        ),
        ("no mesh there", &["export", "customers", "--data", &data], &[&data, "--data", "--kafka"]),
        ("no letters there", &["dead-letters", "list", "--data", &data], &[&data, "--data", "--kafka"]),
        ("no such service", &["serve", "scorng"], &["scorng", "scoring"]),
        ("no Kafka named", &["serve", "scoring", "--store", "sqlite://x"], &["--kafka", "host:port"]),
        ("no store named", &["serve", "scoring", "--kafka", kafka], &["--store", "postgres://"]),
        (
            "a property without value",
            &["serve", "scoring", "--kafka", kafka, "--store", "sqlite://x", "--kafka-property", "ssl"],
            &["--kafka-property", "key=value"],
        ),
        (
            "a property of nobody",
            &["topics", "--kafka", kafka, "--kafka-property", "no.such=1"],
            &["no.such", "settings are refused"],
        ),
        ("no topics", &["export", "customers", "--kafka", kafka], &["customer.events", "tiermesh topics --create"]),
        ("a key for nothing", &["keys", "create", "--name", "shop", "--data", &new], &["--sources", "shop/*"]),
    ];
    for (what, arguments, words) in rows {
        fails(&mut faults, what, arguments, words);
    }
    let create =
        ["topics", "--create", "--kafka", kafka, "--partitions", "1", "--replication", "1", "--min-in-sync", "1"];
    run(&create);
    let serve = ["serve", "scoring", "--kafka", kafka, "--store", &wrong_password, "--listen", "127.0.0.1:0"];
    fails(&mut faults, "a wrong password", &serve, &["check user, password"]);
    faults.none();
}

fn written(mesh: &Mesh, name: &str, text: impl AsRef<[u8]>) -> String {
    mesh.file(name, text.as_ref())
}

#[test]
fn tables_and_mappings() {
    let (mesh, mut faults) = (mesh(), Faults::default());
    let url = mesh.url();
    let table = written(&mesh, "rows.csv", "invoice,customer_id,timestamp,amount\n1,c1,2009-12-01T07:45:00Z,7.00\n");
    let other = written(&mesh, "other.csv", "invoice,customer,timestamp,amount\n1,c1,2009-12-01T07:45:00Z,7.00\n");
    let broken = written(&mesh, "broken.csv.gz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 7, 7, 7]);
    let retail = "source = \"shop\"\ncurrency = \"GBP\"\n[columns]\ninvoice = \"invoice\"\ncustomer_id = \"customer_id\"\n\
        timestamp = \"timestamp\"\namount = \"amount\"\n";
    let typo = written(&mesh, "typo.toml", retail.replace("currency", "curency"));
    let zone = written(&mesh, "zone.toml", format!("time_zone = \"Middle/Earth\"\n{retail}"));
    let wide = written(&mesh, "wide.toml", format!("delimiter = \"ab\"\n{retail}"));
    for (what, arguments, words) in [
        ("no mapping", &[table.as_str()][..], &["rows.csv", "--mapping"][..]),
        ("no such mapping", &["--mapping", "retial", &table], &["retial", "retail"]),
        (
            "another column",
            &["--mapping", "retail", &other],
            &["other.csv", "customer_id", "invoice, customer, timestamp"],
        ),
        ("a field unknown", &["--mapping", &typo, &table], &["typo.toml", "curency", "line 2"]),
        ("a zone unknown", &["--mapping", &zone, &table], &["zone.toml", "Middle/Earth", "Europe/London"]),
        ("a wide delimiter", &["--mapping", &wide, &table], &["wide.toml", "delimiter", "single"]),
        ("no gzip", &["--mapping", "retail", &broken], &["broken.csv.gz", "gzip"]),
    ] {
        fails(&mut faults, what, &[&["send", "--to", &url], arguments].concat(), words);
    }
    // Bad rows between good ones.
    let rows = "invoice,customer_id,timestamp,amount\n1,c1,2009-12-01T07:45:00Z,7.00\n2,c1,once,7.00\n\
        3,c1,2009-12-01T07:46:00Z,much\n,c1,2009-12-01T07:47:00Z,7.00\n4,c1\n5,ann@example.com,2009-12-01T07:48:00Z,7.00\n\
        6,c1,2009-12-01T07:49:00Z,7.00\n";
    let rows = written(&mesh, "mixed.csv", rows);
    let (code, told, _) = attempt(&["send", "--json", "--to", &url, "--mapping", "retail", &rows]);
    assert_eq!(code, 1, "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["accepted"], &told["refused"]), (&2.into(), &5.into()), "{told}");
    for words in
        ["timestamp: \\\"once\\\" is not an instant", "amount: \\\"much\\\"", "invoice: is missing", "mixed.csv:6"]
    {
        faults.tells("mixed.csv", &told.to_string(), &[words]);
    }
    faults.none();
}

#[test]
fn policies_routes_and_inbound_files() {
    let (mesh, mut faults) = (mesh(), Faults::default());
    let abc = std::fs::read_to_string(root().join("policies/abc.toml")).unwrap();
    let good = written(&mesh, "good.toml", &abc);
    let mut check = |what: &str, text: String, words: &[&str]| {
        let bad = written(&mesh, "bad.toml", text);
        fails(&mut faults, what, &["policy", "check", &bad, &good], &[&["bad.toml"], words].concat());
        run(&["policy", "check", &good]);
    };
    check("no TOML", abc.replacen("name =", "name", 1), &["bad.toml:3:"]);
    check("a field unknown", format!("colour = \"red\"\n{abc}"), &["colour", "bad.toml:1:"]);
    check("a metric unknown", abc.replacen("net_sales", "net_sale", 1), &["net_sale"]);
    check("no version", abc.replacen("version = 1\n", "", 1), &["version"]);
    check("a zone unknown", abc.replacen("UTC", "Middle/Earth", 1), &["Middle/Earth"]);

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data").display().to_string();
    let mut up = |what: &str, flag: &str, text: &str, words: &[&str]| {
        let file = written(&mesh, "file.toml", text);
        fails(
            &mut faults,
            what,
            &["up", "--data", &data, "--listen", "127.0.0.1:0", flag, &file],
            &[&["file.toml"], words].concat(),
        );
    };
    let route = "[[routes]]\nname = \"r\"\nwhat = \"tier-changes\"\n";
    up("nowhere", "--routes", route, &["line", "leads nowhere", "webhook"]);
    up("a field unknown", "--routes", &format!("{route}whom = \"x\"\nlog = {{}}\n"), &["whom", "line 4"]);
    up(
        "no such news",
        "--routes",
        "[[routes]]\nname = \"r\"\nwhat = \"tiers\"\nlog = {}\n",
        &["tier-changes", "line 3"],
    );
    up("no routes", "--routes", "", &["[[routes]]"]);
    up(
        "no address",
        "--routes",
        &format!("{route}webhook = {{ url = \"x\", secret = \"s\" }}\n"),
        &["https://", "line 4"],
    );
    up("no Kafka", "--inbound", "[[topics]]\nname = \"a\"\n", &["kafka", "brokers", "line 2"]);
    up("a topic of ours", "--inbound", "[[topics]]\nname = \"tier.changes\"\n", &["topic of the mesh", "line 2"]);
    up("a mode unknown", "--inbound", "[[topics]]\nname = \"a\"\nmode = \"avro\"\n", &["binary", "line 3"]);
    up("a field unknown", "--inbound", "[[topics]]\nnmae = \"a\"\n", &["nmae", "line 2"]);
    faults.none();
}
