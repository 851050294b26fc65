//! Events: over HTTP in a batch, over HTTP as lines, over gRPC, each bad one between two good ones.

use serde_json::{Value, json};
use tiermesh_ingest::grpc::v1::{CloudEvent, PublishRequest, event_result::Status, publisher_client::PublisherClient};

use super::{Faults, good, mesh};

type Change = fn(&mut Value);

/// How a good event is made bad, the field that is to be named, and words of the reason.
const BAD: [(&str, Change, &str, &str); 24] = [
    ("no specversion", |event| drop(event.as_object_mut().unwrap().remove("specversion")), "specversion", "1.0"),
    ("an old specversion", |event| event["specversion"] = "0.3".into(), "specversion", "1.0"),
    ("no id", |event| drop(event.as_object_mut().unwrap().remove("id")), "id", "missing"),
    ("an empty source", |event| event["source"] = "".into(), "source", ""),
    ("a list for a name", |event| event["subject"] = json!([]), "subject", ""),
    ("a long id", |event| event["id"] = "x".repeat(300).into(), "id", "256"),
    ("a mail address", |event| event["subject"] = "ann@example.com".into(), "subject", "pseudonym"),
    ("a phone number", |event| event["subject"] = "+4930123456".into(), "subject", "pseudonym"),
    ("an unknown type", |event| event["type"] = "tiermesh.order.plcaed".into(), "type", "tiermesh.order.plcaed"),
    ("a type of others", |event| event["type"] = "com.shop.order".into(), "type", "docs/events.md"),
    ("no instant", |event| event["time"] = "yesterday".into(), "time", "2010-12-01T08:26:00Z"),
    ("the far future", |event| event["time"] = "2090-01-01T00:00:00Z".into(), "time", "ahead"),
    ("no data", |event| drop(event.as_object_mut().unwrap().remove("data")), "data", "missing"),
    ("data that is a list", |event| event["data"] = json!([]), "data", "object"),
    ("packed data", |event| event["data_base64"] = "e30=".into(), "data_base64", "send `data`"),
    ("words for money", |event| event["data"]["amount"] = "much".into(), "data.amount", "much"),
    ("money below zero", |event| event["data"]["amount"] = "-1.00".into(), "data.amount", "0"),
    ("half a penny", |event| event["data"]["amount"] = "1.005".into(), "data.amount", "2"),
    ("money beyond measure", |event| event["data"]["amount"] = "1e40".into(), "data.amount", ""),
    ("no currency", |event| event["data"]["currency"] = "PFUND".into(), "data.currency", "PFUND"),
    ("no order_id", |event| event["data"]["order_id"] = Value::Null, "data.order_id", "missing"),
    ("lines that are none", |event| event["data"]["lines"] = "a".into(), "data.lines", "array"),
    ("a bad line", |event| event["data"]["lines"][0]["amount"] = true.into(), "data.lines[0].amount", ""),
    (
        "a severity beyond the scale",
        |event| {
            event["type"] = "tiermesh.complaint.opened".into();
            event["data"] = json!({"complaint_id": "k1", "category": "price", "severity": 9});
        },
        "data.severity",
        "5",
    ),
];

fn bad(number: usize) -> Value {
    let mut event = good(&format!("bad-{number}"));
    BAD[number].1(&mut event);
    event
}

/// What is told of the bad one, which stands between two that are taken.
fn of_neighbours(faults: &mut Faults, what: &str, answer: &Value) -> Value {
    let mut results = answer["results"].as_array().into_iter().flatten();
    let refused = results.find(|result| result["status"] == "refused").cloned().unwrap_or_default();
    faults.check(answer["refused"] == 1 && answer["accepted"] == 2, || format!("{what}: {answer}"));
    refused
}

#[test]
fn over_http_each_is_refused_by_its_field_and_its_neighbours_are_taken() {
    let (mesh, mut faults) = (mesh(), Faults::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tiermesh_service_host::install_tls();
        let (client, url) = (reqwest::Client::new(), format!("{}/v1/events", mesh.url()));
        let post = async |content_type: &str, body: String| -> Value {
            let request = client.post(&url).header("content-type", content_type).body(body);
            request.send().await.unwrap().json().await.unwrap()
        };
        for (number, (what, _, field, reason)) in BAD.iter().enumerate() {
            let around =
                |mode: &str| [good(&format!("{mode}-{number}-1")), bad(number), good(&format!("{mode}-{number}-2"))];
            let batch = Value::from(around("batch").to_vec()).to_string();
            let lines: String = around("lines").iter().map(|event| format!("{event}\n")).collect();
            for (content_type, body) in [("application/cloudevents-batch+json", batch), ("application/x-ndjson", lines)]
            {
                let refused = of_neighbours(&mut faults, what, &post(content_type, body).await);
                faults.check(refused["field"] == *field, || format!("{what}: {refused}"));
                faults.tells(what, refused["reason"].as_str().unwrap_or_default(), &[reason]);
            }
            let alone = post("application/cloudevents+json", bad(number).to_string()).await;
            faults.check(alone["error"]["field"] == *field, || format!("{what}: {alone}"));
        }
        // What no JSON value can say.
        let twice = good("twice").to_string().replacen("{", "{\"id\":\"other\",", 1);
        let lines = [good("n1").to_string(), twice, good("n2").to_string()].join("\n");
        let refused = of_neighbours(&mut faults, "a field twice", &post("application/x-ndjson", lines).await);
        faults.tells("a field twice", &refused.to_string(), &["id", "twice"]);
        let lines = [good("n3").to_string(), "{\"specversion\":".to_owned(), good("n4").to_string()].join("\n");
        let refused = of_neighbours(&mut faults, "half an event", &post("application/x-ndjson", lines).await);
        faults.tells("half an event", &refused["reason"].to_string(), &["not JSON"]);
        let long = format!("{{\"x\":\"{}\"}}", "x".repeat(300 << 10));
        let lines = [good("n5").to_string(), long, good("n6").to_string()].join("\n");
        let refused = of_neighbours(&mut faults, "a long line", &post("application/x-ndjson", lines).await);
        faults.tells("a long line", &refused["reason"].to_string(), &["262144"]);
    });
    faults.none();
}

#[test]
fn over_grpc_each_is_refused_by_its_field_and_its_neighbours_are_taken() {
    let (mesh, mut faults) = (mesh(), Faults::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel = tonic::transport::Endpoint::from_shared(mesh.url()).unwrap().connect().await.unwrap();
        let mut client = PublisherClient::new(channel);
        for (number, (what, _, field, reason)) in BAD.iter().enumerate() {
            // These can't be said there.
            if ["specversion", "data_base64"].contains(field) || *what == "a list for a name" {
                continue;
            }
            let events = [good(&format!("grpc-{number}-1")), bad(number), good(&format!("grpc-{number}-2"))];
            let events = events.iter().map(message).collect();
            let answer = client.publish(PublishRequest { events }).await.unwrap().into_inner();
            faults.check((answer.accepted, answer.refused) == (2, 1), || format!("{what}: {answer:?}"));
            let refused = &answer.results[1];
            let named = (refused.status(), refused.field.as_str()) == (Status::Refused, *field);
            faults.check(named, || format!("{what}: {refused:?}"));
            let reason = if *what == "no data" { "" } else { reason };
            faults.tells(what, &refused.reason, &[reason]);
        }
    });
    faults.none();
}

fn message(event: &Value) -> CloudEvent {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    CloudEvent {
        id: text("id"),
        source: text("source"),
        r#type: text("type"),
        subject: text("subject"),
        time: text("time"),
        data: event.get("data").map(|data| data.to_string().into_bytes()).unwrap_or_default(),
    }
}
