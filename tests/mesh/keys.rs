//! API keys through the command: made, shown, listed, revoked, on a mesh that others can reach.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use tiermesh_testkit::{free_port, wait_for};

use crate::mesh_process::{PATIENCE, Process, attempt, run};

const ORDERS: &str = r#"{"specversion":"1.0","id":"o-1","source":"shop/web","type":"tiermesh.order.placed","subject":"a","time":"2026-01-05T08:00:00Z","data":{"order_id":"1","currency":"GBP","amount":"5"}}
{"specversion":"1.0","id":"o-2","source":"erp/retail","type":"tiermesh.order.placed","subject":"b","time":"2026-01-05T08:00:00Z","data":{"order_id":"2","currency":"GBP","amount":"5"}}
"#;

/// A mesh on every address of this machine, and how to reach it.
fn reachable(dir: &Path) -> (Process, String) {
    let port = free_port();
    let data = dir.display().to_string();
    let arguments = ["up", "--data", &data, "--listen", &format!("0.0.0.0:{port}")].map(str::to_owned);
    let mut mesh = Process::of_settings("up", dir, &arguments, &BTreeMap::new(), port);
    mesh.launch();
    mesh.wait_until_ready();
    (mesh, format!("http://127.0.0.1:{port}"))
}

fn key(data: &str, arguments: &[&str]) -> Value {
    let text = run(&[&["keys", "create", "--json", "--data", data], arguments].concat());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_mesh_that_others_can_reach_asks_for_keys() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().display().to_string();
    let (mesh, url) = reachable(dir.path());
    let file = dir.path().join("orders.ndjson");
    std::fs::write(&file, ORDERS).unwrap();
    let file = file.display().to_string();

    let (code, _, told) = attempt(&["send", "--to", &url, &file]);
    assert_eq!(code, 1);
    assert!(told.contains("an API key is needed") && told.contains("tiermesh keys create"), "{told}");

    let shop = key(&data, &["--name", "shop", "--sources", "shop/*,crm"]);
    let text = shop["key"].as_str().unwrap();
    let (code, summary, _) = attempt(&["send", "--json", "--to", &url, "--key", text, &file]);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!((code, &summary["accepted"], &summary["refused"]), (1, &Value::from(1), &Value::from(1)));
    assert!(summary["reasons"][0]["reason"].as_str().unwrap().contains("not for \"erp/retail\""), "{summary}");

    let (code, _, told) = attempt(&["policy", "activate", "scorecard", "--to", &url, "--key", text]);
    assert_eq!(code, 1);
    assert!(told.contains("--scopes operate"), "{told}");
    let admin = key(&data, &["--name", "admin", "--scopes", "operate"]);
    run(&["policy", "activate", "scorecard", "--to", &url, "--key", admin["key"].as_str().unwrap()]);

    customers_are_for_readers(&data, &url, text, admin["key"].as_str().unwrap());

    let id = shop["id"].as_str().unwrap();
    run(&["keys", "revoke", id, "--data", &data]);
    wait_for("the key to be refused", PATIENCE, || {
        let (code, _, told) = attempt(&["send", "--to", &url, "--key", text, &file]);
        code == 1 && told.contains("was revoked")
    });
    let listed: Value = serde_json::from_str(&run(&["keys", "list", "--json", "--data", &data])).unwrap();
    assert_eq!((&listed[0]["id"], &listed[1]["name"]), (&shop["id"], &Value::from("admin")));
    assert!(listed[0]["revoked"].is_string() && listed[1]["revoked"].is_null(), "{listed}");

    // Whoever reads logs learns of no key.
    let secret = text.rsplit('_').next().unwrap();
    assert!(!mesh.logged().contains(secret) && !listed.to_string().contains(secret));
}

/// Page and API of the console, and notification's ledger: not for anyone, nor for who only sends events.
fn customers_are_for_readers(data: &str, url: &str, shop: &str, admin: &str) {
    let reader = key(data, &["--name", "sales", "--scopes", "read"]);
    let reader = reader["key"].as_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tiermesh_service_host::install_tls();
    let client = reqwest::Client::new();
    let status =
        |request: reqwest::RequestBuilder| runtime.block_on(async { request.send().await.unwrap().status().as_u16() });
    for path in ["/", "/api/v1/customers", "/api/v1/live", "/v1/deliveries"] {
        let get = || client.get(format!("{url}{path}"));
        assert_eq!((status(get()), status(get().bearer_auth(shop))), (401, 403), "{path}");
        assert_eq!((status(get().bearer_auth(reader)), status(get().basic_auth("me", Some(reader)))), (200, 200));
        assert_eq!(status(get().bearer_auth(admin)), 200, "{path}");
    }
    let retry = || client.post(format!("{url}/v1/deliveries/none/retry"));
    assert_eq!((status(retry()), status(retry().bearer_auth(reader))), (401, 403));
    assert_eq!(status(retry().bearer_auth(admin)), 404);
    assert_eq!(status(client.get(format!("{url}/readyz"))), 200, "health is for anyone");
}

#[test]
fn slips_at_making_keys_say_what_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().display().to_string();
    for (arguments, remedy) in [
        (&["keys", "list", "--data", &data][..], "tiermesh up --data"),
        (&["keys", "create", "--name", "shop", "--data", &data], "'shop/*,erp/retail'"),
        (&["keys", "create", "--name", "shop", "--sources", "a*b", "--data", &data], "a star at the end"),
        (&["keys", "create", "--name", "shop", "--sources", "*", "--scopes", "all", "--data", &data], "operate"),
        (&["send", "--key", "secret", "-"], "tmk_"),
    ] {
        let (code, _, told) = attempt(arguments);
        assert_ne!(code, 0, "{arguments:?}");
        assert!(told.contains(remedy), "{arguments:?}: {told}");
    }
}

#[test]
fn nobody_there_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.ndjson");
    std::fs::write(&file, ORDERS).unwrap();
    let to = format!("http://127.0.0.1:{}", free_port());
    let (code, _, told) = attempt(&["send", "--to", &to, &file.display().to_string()]);
    assert_eq!(code, 1);
    assert!(told.contains("start it with `tiermesh up`") && !told.contains("trying again"), "{told}");
}
