//! What the API answers.

use serde_json::{Value, json};
use tiermesh_domain::{explain::CustomerFold, hash::partition_of};
use tiermesh_proto::v1::{DeadLetter, InboundPlace, Resolution};

use crate::stage::{BEGIN_MS, DAY_MS, MARKUP, PARTITIONS, World, eventually};

const CUSTOMERS: [&str; 4] = ["13085", "17850", MARKUP, "a b/ü?&#"];

fn path(customer: &str) -> String {
    let encoded: String = customer.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("customers/{encoded}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_is_what_the_fold_of_the_whole_log_says() {
    let world = World::with_history().await;
    let console = world.console().await;
    for customer in CUSTOMERS {
        let mut fold = CustomerFold::new(PARTITIONS, customer);
        for event in &world.events[partition_of(customer, PARTITIONS) as usize] {
            fold.take(event).unwrap();
        }
        let expected = serde_json::to_value(fold.explanation()).unwrap();
        let found = console.get(&path(customer)).await;
        assert_eq!(found["customer"], customer);
        assert_eq!(found["as_of"], expected["as_of"]);
        let mut standings = found["standings"].clone();
        for standing in standings.as_array_mut().unwrap() {
            let reweighed = standing.as_object_mut().unwrap().remove("reweighed").unwrap();
            assert_eq!(reweighed, standing["policy"] == "scorecard");
        }
        assert_eq!(standings, expected["standings"], "{customer}");
        assert_eq!(found["standings"].as_array().unwrap().len(), 3);
        let detectors = |signals: &Value| -> Vec<Value> {
            signals.as_array().unwrap().iter().map(|signal| json!([signal["detector"], signal["since"]])).collect()
        };
        assert_eq!(detectors(&found["signals"]), detectors(&expected["signals"]), "{customer}");
    }
    assert_eq!(console.get("customers/13085").await["signals"][0]["detector"], "silence");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_found_by_filter_and_by_page() {
    let console = World::with_history().await.console().await;
    let ids = async |path: &str, limit| -> Vec<String> {
        let items = console.all(path, limit).await;
        items.iter().map(|item| item["customer"].as_str().unwrap().to_owned()).collect()
    };
    for limit in [1, 3, 500] {
        assert_eq!(ids("customers", limit).await, CUSTOMERS);
    }
    assert_eq!(ids("customers?q=1", 1).await, ["13085", "17850"]);
    assert_eq!(ids("customers?q=a%20b/", 9).await, ["a b/ü?&#"]);
    assert_eq!(ids("customers?owner=Ada&region=north", 9).await, ["17850"]);
    assert_eq!(ids("customers?signal=silence", 9).await, ["13085"]);
    assert_eq!(ids("customers?signal=any&owner=Ada", 9).await, [""; 0]);
    // Fields of a form that were left empty.
    assert_eq!(ids("customers?owner=&region=&q=17", 9).await, ["17850"]);
    // Every tier of the spread leads to as many as it counts.
    for policy in console.get("tiers").await["policies"].as_array().unwrap() {
        for tier in policy["tiers"].as_array().unwrap() {
            let (policy, name) = (policy["policy"].as_str().unwrap(), tier["tier"].as_str().unwrap());
            let found = ids(&format!("customers?policy={policy}&tier={name}"), 2).await;
            assert_eq!(tier["customers"], found.len(), "{policy} {name}");
        }
    }
    let [one] = &console.all("customers?q=17850", 9).await[..] else { panic!() };
    let standings = console.get("customers/17850").await["standings"].clone();
    for (tier, standing) in one["tiers"].as_array().unwrap().iter().zip(standings.as_array().unwrap()) {
        for field in ["policy", "version", "tier", "since"] {
            assert_eq!(tier[field], standing[field]);
        }
    }
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_holds_all_that_is_known_and_nothing_personal() {
    let console = World::with_history().await.console().await;
    let whole = console.all("customers/17850/timeline", 500).await;
    assert_eq!(console.all("customers/17850/timeline", 3).await, whole);
    let of = |kind: &str| whole.iter().filter(|item| item["kind"] == kind).count();
    assert_eq!((of("fact"), of("delivery")), (26, 1));
    let changes = console.all("changes", 500).await;
    let mine = changes.iter().filter(|change| change["customer"] == "17850").count();
    assert_eq!(of("change"), mine);
    assert!(mine >= 3, "{mine}");
    let times: Vec<&str> = whole.iter().map(|item| item["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let delivery = whole.iter().find(|item| item["kind"] == "delivery").unwrap();
    assert_eq!((&delivery["delivery"]["state"], &delivery["delivery"]["attempts"]), (&json!("delivered"), &json!(2)));
    let order = whole.iter().find(|item| item["fact"]["type"] == "tiermesh.order.placed").unwrap();
    assert_eq!(order["fact"]["data"], json!({"order_id": "o-115", "amount": "1000.50", "currency": "GBP"}));
    assert!(!json!(whole).to_string().contains("Jo Doe"));
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_tell_what_happened_lately_and_what_is_open() {
    let console = World::with_history().await.console().await;
    let changes = console.all("changes", 500).await;
    assert_eq!(console.all("changes", 2).await, changes);
    let first = console.all("changes?policy=lifecycle&direction=first", 3).await;
    assert_eq!(first.len(), 4);
    assert!(first.iter().all(|change| change["policy"] == "lifecycle" && change["from"].is_null()));
    let signals = console.all("signals", 1).await;
    assert!(signals.iter().any(|signal| signal["customer"] == "13085" && signal["detector"] == "silence"));
    assert_eq!(console.all("signals?detector=complaint_rise", 9).await.len(), 0);
    let [delivery] = &console.all("deliveries?state=delivered&route=sales", 9).await[..] else { panic!() };
    assert_eq!((&delivery["id"], &delivery["customer"]), (&json!("d1"), &json!("17850")));

    let status = console.get("status").await;
    assert_eq!((&status["live"], &status["customers"]), (&json!(true), &json!(4)));
    assert_eq!(status["tick"], "2026-05-01T00:00:00Z");
    assert_eq!(status["quiet_sources"][0]["source"], "crm");
    assert_eq!(status["dead_letters"]["open"], 1);
    assert_eq!(status["dead_letters"]["recent"][0]["field"], "data.amount");
    let spread = console.get("tiers").await;
    let scorecard = spread["policies"].as_array().unwrap().iter().find(|policy| policy["policy"] == "scorecard");
    let order: Vec<&Value> = scorecard.unwrap()["tiers"].as_array().unwrap().iter().map(|tier| &tier["tier"]).collect();
    assert_eq!(order, ["A", "B", "C", "D", "E"]);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_dead_letters_those_that_are_open_count_each_once() {
    let world = World::new().await;
    let letter = |field: &str| DeadLetter { field: field.to_owned(), ..DeadLetter::default() };
    let inbound = |offset, received_ms| DeadLetter {
        inbound: Some(InboundPlace { topic: "shop".to_owned(), partition: 0, offset }),
        received_ms,
        ..letter("time")
    };
    let resolution = |offset| DeadLetter {
        resolution: Some(Resolution { offset, reason: "a test".to_owned(), ..Resolution::default() }),
        ..letter("")
    };
    // Two of a request that are one, two of an inbound record that are one; and what became of the third.
    for letter in [letter("data"), letter("data"), letter("subject"), resolution(3), inbound(7, 1), inbound(7, 2)] {
        world.dead_letter(0, &letter).await;
    }
    world.dead_letter(1, &inbound(8, 3)).await;
    let console = world.console().await;
    let open = async || {
        let letters = console.get("status").await["dead_letters"].clone();
        let fields = letters["recent"].as_array().unwrap().iter().map(|letter| letter["field"].clone());
        (letters["open"].clone(), fields.collect::<Vec<_>>())
    };
    assert_eq!(open().await, (json!(3), vec![json!("time"), json!("time"), json!("data")]));
    // The first of the two that are one.
    world.dead_letter(0, &resolution(5)).await;
    eventually("the letter to be dealt with", async || open().await.0 == 2).await;
    assert_eq!(open().await.1, ["time", "data"]);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_forgotten_with_the_topic() {
    let mut world = World::new().await;
    let letter = |day| DeadLetter { received_ms: BEGIN_MS + day * DAY_MS, ..DeadLetter::default() };
    for day in [0, 40] {
        world.dead_letter(0, &DeadLetter { field: day.to_string(), ..letter(day) }).await;
    }
    let console = world.console().await;
    assert_eq!(console.get("status").await["dead_letters"]["open"], 2);
    world.tick(365 + 30).await;
    eventually("the old one to be forgotten", async || {
        let letters = console.get("status").await["dead_letters"].clone();
        letters["open"] == 1 && letters["recent"][0]["field"] == "40"
    })
    .await;
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_question_gets_the_field_and_the_remedy() {
    let console = World::new().await.console().await;
    for (path, status, field, reason) in [
        ("customers?limit=0", 400, "limit", "from 1 to 500"),
        ("customers?limit=501", 400, "limit", "from 1 to 500"),
        ("customers?limit=many", 400, "limit", "\"many\" is not a number"),
        ("customers?tier=A", 400, "tier", "give policy=… too"),
        ("signals?tier=A", 400, "tier", "give policy=… too"),
        ("customers?colour=red", 400, "colour", "there is policy, tier, owner"),
        ("customers?q=1&q=2", 400, "q", "given twice"),
        ("changes?direction=sideways", 400, "direction", "first, up, down, other"),
        ("changes?after=x", 400, "after", "is not the `next` of an earlier page"),
        ("changes?after=1.2.3", 400, "after", "is not the `next` of an earlier page"),
        ("signals?after=1", 400, "after", "is not the `next` of an earlier page"),
        ("tiers?policy=abc", 400, "policy", "is not known here"),
    ] {
        let (found, answer) = console.ask(path).await;
        let error = &answer["error"];
        assert_eq!((found, error["field"].as_str()), (status, Some(field)), "{path}: {answer}");
        assert!(error["reason"].as_str().unwrap().contains(reason), "{path}: {answer}");
    }
    for (path, reason) in [
        ("customers/nobody", "there is no customer \"nobody\""),
        ("customers/nobody/timeline", "there is no customer \"nobody\""),
        ("persons", "there is no such resource"),
    ] {
        let (found, answer) = console.ask(path).await;
        assert_eq!((found, &answer["error"]["code"]), (404, &json!("not-found")), "{path}");
        assert!(answer["error"]["reason"].as_str().unwrap().contains(reason), "{path}: {answer}");
    }
    console.stop().await;
}
