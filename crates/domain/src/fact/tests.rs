//! Every event type is taken as the specification writes it, and every slip is refused by the name of its field.

use serde_json::{Value, json};

use super::{Parsed, Refusal, parse_cloud_event, type_name};

fn event(kind: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0", "id": "e-1", "source": "erp/retail", "type": format!("tiermesh.{kind}"),
        "subject": "17850", "time": "2010-12-01T08:26:00Z", "data": data,
    })
}

fn parsed(event: &Value) -> Result<Parsed, Refusal> {
    parse_cloud_event(event.to_string().as_bytes())
}

fn refusal(kind: &str, data: Value) -> Refusal {
    parsed(&event(kind, data)).expect_err(kind)
}

#[test]
fn every_type_is_taken() {
    let line = json!([{"sku": "85123A", "category": "home", "quantity": 6, "amount": "15.30"}]);
    let order = json!({"order_id": "536365", "currency": "GBP", "amount": "139.12", "cost": 12.5, "channel": "web", "lines": line});
    let payment = json!({"payment_id": "p", "invoice_id": "i", "amount": 10, "currency": "JPY"});
    let contract =
        json!({"contract_id": "c", "start": "2010-01-01", "end": "2011-01-01", "value": "9.99", "currency": "EUR"});
    let step = json!({"complaint_id": "c", "staff": "s", "satisfied": true});
    let ticket = json!({"ticket_id": "t", "topic": "x", "staff": "s", "minutes": 1.5});
    for (kind, data) in [
        ("order.placed", order.clone()),
        ("order.paid", json!({"order_id": "536365"})),
        ("order.fulfilled", json!({"order_id": "536365"})),
        ("order.corrected", order),
        ("order.cancelled", json!({"order_id": 536365})),
        (
            "order.refunded",
            json!({"refund_id": "r", "amount": "0.01", "currency": "GBP", "reason": "broken", "lines": line}),
        ),
        ("invoice.issued", json!({"invoice_id": "i", "amount": "5", "currency": "KWD", "due": "2011-01-31"})),
        ("invoice.credited", json!({"invoice_id": "i", "amount": "5.005"})),
        ("invoice.cancelled", json!({"invoice_id": "i"})),
        ("payment.received", payment.clone()),
        ("payment.reversed", payment),
        ("contract.signed", contract.clone()),
        ("contract.renewed", contract.clone()),
        ("contract.ended", contract),
        (
            "interaction.recorded",
            json!({"channel": "call", "direction": "inbound", "bulk": false, "sentiment": -0.5, "note": "hello", "minutes": 3, "cost": "1.25"}),
        ),
        ("complaint.opened", json!({"complaint_id": "c", "category": "price", "severity": 5, "text": "no"})),
        ("complaint.acknowledged", step.clone()),
        ("complaint.answered", json!({"complaint_id": "c", "options": ["a", "b"]})),
        ("complaint.followed_up", step.clone()),
        ("complaint.closed", step),
        ("ticket.opened", ticket.clone()),
        ("ticket.closed", ticket),
        ("survey.answered", json!({"kind": "nps", "score": 9, "max": 10, "topic": "t"})),
        ("usage.reported", json!({"metric": "logins", "value": 3})),
        ("competitor.mentioned", json!({"competitor": "them", "evidence": "mail"})),
        ("risk.reported", json!({"kind": "insolvency"})),
        ("lead.captured", json!({"channel": "web", "fit": 77.5, "interests": ["tea"]})),
        ("lead.stage_changed", json!({"stage": "qualified"})),
        ("referral.made", json!({"referred": "17851"})),
        (
            "profile.updated",
            json!({"name": "N", "region": null, "owner": "o", "tags": ["a"], "attributes": {"x": 1, "y": null}}),
        ),
        ("points.redeemed", json!({"points": 10, "reward": "cup"})),
        ("points.adjusted", json!({"points": -10, "reason": "error"})),
        (
            "tier.overridden",
            json!({"programme": "value", "tier": null, "reason": "r", "by": "b", "expires": "2011-01-01T00:00:00Z"}),
        ),
        ("relationship.ended", json!({"by": "customer"})),
        ("customer.merged", json!({"from": "1", "into": "2"})),
        ("customer.erased", json!({})),
        ("custom.visit_rated", json!({"stars": 4, "anything": {"goes": []}})),
    ] {
        let parsed = parsed(&event(kind, data)).unwrap_or_else(|refusal| panic!("{kind}: {refusal}"));
        assert_eq!(parsed.ignored, Vec::<String>::new(), "{kind}");
        assert_eq!(type_name(parsed.fact.data.as_ref().unwrap()), format!("tiermesh.{kind}"));
    }
}

#[test]
fn a_slip_is_refused_by_the_name_of_its_field() {
    let order = |field: &str, value: Value| {
        let mut order = json!({"order_id": "1", "currency": "GBP", "amount": "1.00"});
        order[field] = value;
        order
    };
    for (kind, data, field) in [
        ("order.placed", order("order_id", json!("")), "data.order_id"),
        ("order.placed", order("amount", Value::Null), "data.amount"),
        ("order.placed", order("amount", json!("1.001")), "data.amount"),
        ("order.placed", order("amount", json!("1,00")), "data.amount"),
        ("order.placed", order("amount", json!(-1)), "data.amount"),
        ("order.placed", order("amount", json!("1e40")), "data.amount"),
        ("order.placed", order("amount", json!(true)), "data.amount"),
        ("order.placed", order("currency", json!("POUNDS")), "data.currency"),
        ("order.placed", order("lines", json!([{"sku": "s", "category": "c", "quantity": 1}])), "data.lines[0].amount"),
        ("order.placed", order("lines", json!("none")), "data.lines"),
        ("order.paid", json!({}), "data.order_id"),
        ("order.refunded", json!({"refund_id": "r", "amount": 0, "currency": "GBP"}), "data.amount"),
        ("invoice.issued", json!({"invoice_id": "i", "amount": 1, "currency": "GBP", "due": "31.1.2011"}), "data.due"),
        ("interaction.recorded", json!({"channel": "pigeon"}), "data.channel"),
        ("interaction.recorded", json!({"channel": "call", "sentiment": 1.1}), "data.sentiment"),
        ("complaint.opened", json!({"complaint_id": "c", "category": "price", "severity": 6}), "data.severity"),
        ("complaint.answered", json!({"complaint_id": "c", "options": ["one"]}), "data.options"),
        ("lead.captured", json!({"channel": "web", "fit": 101}), "data.fit"),
        ("tier.overridden", json!({"programme": "value", "reason": "r", "by": "b"}), "data.tier"),
        ("order.shipped", json!({}), "type"),
        ("custom.", json!({}), "type"),
    ] {
        let refusal = refusal(kind, data.clone());
        assert_eq!(refusal.field, field, "{kind} {data}: {refusal}");
        assert!(!refusal.reason.is_empty());
    }
}

#[test]
fn what_surrounds_the_data_is_checked_too() {
    let good = event("order.paid", json!({"order_id": "1"}));
    for (field, value) in [
        ("specversion", json!("0.3")),
        ("specversion", Value::Null),
        ("type", json!("com.example.order")),
        ("source", Value::Null),
        ("id", json!("x".repeat(257))),
        ("id", json!("a\u{0}b")),
        ("subject", Value::Null),
        ("subject", json!("anna@example.com")),
        ("subject", json!("+44 20 7946 0000")),
        ("time", json!("2010-12-01")),
        ("time", json!("0001-01-01T00:00:00Z")),
        ("data", Value::Null),
        ("data", json!([])),
        ("data_base64", json!("AAAA")),
    ] {
        let mut bad = good.clone();
        bad[field] = value.clone();
        let refusal = parsed(&bad).expect_err(field);
        assert_eq!(refusal.field, field, "{value}: {refusal}");
    }
    for bytes in [&b"{"[..], b"", b"[]", b"\xff\xfe", b"null", b"\"event\""] {
        assert_eq!(parse_cloud_event(bytes).expect_err("not an event").field, "");
    }
    // Extension attributes are CloudEvents' own way of saying more.
    let mut extended = good;
    extended["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert!(parsed(&extended).is_ok());
}

#[test]
fn fields_that_nothing_reads_are_told() {
    let parsed = parsed(&event("complaint.closed", json!({"complaint_id": "c", "satisfid": true}))).unwrap();
    assert_eq!(parsed.ignored, ["data.satisfid"]);
}

#[test]
fn personal_text_stands_apart() {
    let parsed = parsed(&event("profile.updated", json!({"name": "Anna", "region": "north"}))).unwrap();
    let personal = parsed.fact.personal.clone().unwrap();
    assert_eq!((personal.fields[0].field.as_str(), personal.fields[0].json.as_str()), ("name", "\"Anna\""));
    let without = tiermesh_proto::v1::Fact { personal: None, ..parsed.fact };
    assert!(!format!("{without:?}").contains("Anna"));
}
