//! History: days, ticks, waiting for cut-points, sessions that change hands.

use std::time::Duration;

use serde_json::{Value, json};
use tiermesh_domain::time::parse_instant;
use tiermesh_ingest::Clock;
use tiermesh_proto::v1::{control, customer_event::Event};

use crate::{
    harness::{Instance, PARTITIONS, PYRAMID, World, eventually, order, settings},
    scoring::answer_ticks,
};

async fn open(ingest: &Instance, body: Value) -> (u16, Value) {
    let mut answer = (503, Value::Null);
    // An instance answers as soon as it holds `control`.
    while answer.0 == 503 {
        answer = ingest.post("/v1/history", "application/json", body.to_string()).await;
    }
    answer
}

pub(crate) async fn session(ingest: &Instance) -> String {
    let (status, body) = open(ingest, json!({})).await;
    assert_eq!(status, 200, "{body}");
    body["session"].as_str().unwrap().to_owned()
}

async fn send(ingest: &Instance, session: &str, events: &[Value]) -> (u16, Value) {
    let body = crate::harness::ndjson(events);
    ingest.post(&format!("/v1/history/{session}/events"), "application/x-ndjson", body).await
}

pub(crate) async fn end(ingest: &Instance, session: &str, body: Value) -> (u16, Value) {
    ingest.post(&format!("/v1/history/{session}/end"), "application/json", body.to_string()).await
}

/// An order a day, so many of them, from 2010-12-01 on.
fn days(count: usize) -> Vec<Value> {
    let first = parse_instant("2010-12-01T08:00:00Z").unwrap();
    let time = |day: usize| tiermesh_domain::time::format_instant(first + day as i64 * 86_400_000);
    (0..count).map(|day| order(&format!("o-{day}"), &format!("c-{}", day % 7), &time(day), "1")).collect()
}

fn midnights(count: usize) -> Vec<i64> {
    let first = parse_instant("2010-12-02T00:00:00Z").unwrap();
    (0..count).map(|day| first + day as i64 * 86_400_000).collect()
}

#[tokio::test]
async fn a_tick_stands_behind_each_day_and_live_at_the_end() {
    let world = World::new().await;
    let ingest = world.start().await;
    let session = session(&ingest).await;
    let mut events = days(10);
    events.insert(5, json!({"specversion": "1.0", "id": "bad"}));
    let (status, body) = send(&ingest, &session, &events).await;
    assert_eq!((status, &body["accepted"], &body["refused"]), (200, &json!(10), &json!(1)));
    assert_eq!(body["results"][0]["line"], 6);
    assert_eq!(world.dead_letters().len(), 1);
    let until = "2010-12-12T12:00:00Z";
    let (status, body) = end(&ingest, &session, json!({"until": until, "live": true})).await;
    assert_eq!((status, body), (200, json!({"last_tick": until, "live": true})));
    let mut expected = midnights(11);
    expected.push(parse_instant(until).unwrap());
    for partition in 0..PARTITIONS {
        assert_eq!(world.ticks(partition), expected);
        let mut time = i64::MIN;
        for event in world.events(partition) {
            match event {
                Event::Tick(tick) => time = tick.time_ms,
                Event::Fact(fact) => assert!(fact.time_ms > time),
                Event::Control(_) => {}
            }
        }
        assert!(matches!(world.events(partition).last(), Some(Event::Control(_))));
    }
    assert!(matches!(world.control().last(), Some(control::Control::Live(_))));
    let (status, body) = open(&ingest, json!({})).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("live")));
    assert_eq!(ingest.event(&order("o-99", "a", "2010-12-30T00:00:00Z", "1")).await.0, 202);
}

#[tokio::test]
async fn each_tick_waits_for_the_cut_points_of_the_one_before() {
    let world = World::new().await;
    let ingest = world.start().await;
    ingest.post("/v1/policies", "", PYRAMID).await;
    let scoring = answer_ticks(&world, "pyramid", 1).await;
    let session = session(&ingest).await;
    let (status, body) = send(&ingest, &session, &days(50)).await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = end(&ingest, &session, json!({"until": null, "live": false})).await;
    assert_eq!((status, body), (200, json!({"last_tick": "2011-01-19T00:00:00Z", "live": false})));
    for partition in 0..PARTITIONS {
        let mut waiting = None;
        let mut ticks = 0;
        for event in world.events(partition) {
            match event {
                Event::Tick(tick) => {
                    assert_eq!(waiting, None, "no tick before the cut-points of the last");
                    waiting = Some(tick.time_ms);
                    ticks += 1;
                }
                Event::Control(copy) => {
                    if let Some(control::Control::CutPoints(cut_points)) = copy.control.unwrap().control {
                        assert_eq!(waiting.take(), Some(cut_points.as_of_ms));
                    }
                }
                Event::Fact(_) => assert_eq!(waiting, None, "no fact before the cut-points of the last tick"),
            }
        }
        assert_eq!(ticks, 49);
    }
    scoring.abort();
}

#[tokio::test]
async fn without_scoring_history_says_what_is_missing() {
    let world = World::new().await;
    let settings = tiermesh_ingest::Settings { cut_points_limit: Duration::from_millis(200), ..settings() };
    let ingest = world.start_with(settings, Clock::system()).await;
    ingest.post("/v1/policies", "", PYRAMID).await;
    let first = session(&ingest).await;
    let (status, body) = send(&ingest, &first, &days(3)).await;
    assert_eq!(status, 503);
    let reason = body["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("pyramid v1") && reason.contains("is it running?"), "{reason}");
    assert_eq!(world.ticks(0), midnights(1));
    // Scoring comes up: the same session goes on where it was.
    let scoring = answer_ticks(&world, "pyramid", 1).await;
    let (_, body) = open(&ingest, json!({"session": first})).await;
    assert_eq!(body["resume_after"], Value::Null);
    let session = body["session"].as_str().unwrap();
    assert_eq!(send(&ingest, session, &days(3)).await.0, 200);
    assert_eq!(end(&ingest, session, json!({"live": true})).await.0, 200);
    assert_eq!(world.ticks(0), midnights(2));
    scoring.abort();
}

#[tokio::test]
async fn one_session_at_a_time_and_other_events_wait() {
    let world = World::new().await;
    let settings = tiermesh_ingest::Settings { session_silence: Duration::from_millis(300), ..settings() };
    let ingest = world.start_with(settings, Clock::system()).await;
    let first = session(&ingest).await;
    let (status, body) = open(&ingest, json!({})).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("session-open")));
    let (status, body) = ingest.event(&order("o-1", "a", "2010-12-01T08:26:00Z", "1")).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("history-loading")));
    assert_eq!(ingest.post("/v1/live", "", "").await.0, 503);
    tokio::time::sleep(Duration::from_millis(350)).await;
    let second = session(&ingest).await;
    let (status, body) = send(&ingest, &first, &days(1)).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("no-session")));
    assert_eq!(send(&ingest, &second, &days(1)).await.0, 200);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(ingest.post("/v1/live", "", "").await.0, 200, "whoever opened it is gone");
}

#[tokio::test]
async fn out_of_order_is_refused_and_what_came_before_stands() {
    let world = World::new().await;
    let ingest = world.start().await;
    let session = session(&ingest).await;
    let mut events = days(3);
    events.swap(1, 2);
    let (status, body) = send(&ingest, &session, &events).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("out-of-order")));
    assert!(body["error"]["reason"].as_str().unwrap().starts_with("line 3:"));
    assert_eq!(world.facts().len(), 2);
    let (status, body) = end(&ingest, &session, json!({"until": "2010-12-02T00:00:00Z"})).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("until")));
    assert_eq!(end(&ingest, &session, json!({})).await.0, 200);
    // What was loaded can't be loaded behind its ticks again.
    let (_, body) = open(&ingest, json!({})).await;
    let (status, body) = send(&ingest, body["session"].as_str().unwrap(), &days(1)).await;
    assert_eq!(status, 400);
    assert!(body["error"]["reason"].as_str().unwrap().contains("loaded already"), "{body}");
}

#[tokio::test]
async fn a_session_goes_on_after_a_restart() {
    let world = World::new().await;
    let ingest = world.start().await;
    let first = session(&ingest).await;
    let events = days(20);
    assert_eq!(send(&ingest, &first, &events[..10]).await.0, 200);
    ingest.stop().await;
    let ingest = world.start().await;
    let (status, body) = open(&ingest, json!({})).await;
    assert_eq!(status, 200);
    let resume = &body["resume_after"];
    assert_eq!((&resume["id"], &resume["time"]), (&json!("o-8"), &json!("2010-12-09T08:00:00Z")));
    let session = body["session"].as_str().unwrap();
    // The day after the last complete tick is sent again: the fold drops what it knows.
    assert_eq!(send(&ingest, session, &events[9..]).await.0, 200);
    let (_, body) = end(&ingest, session, json!({"until": "2010-12-21T00:00:00Z", "live": true})).await;
    assert_eq!(body["last_tick"], "2010-12-21T00:00:00Z");
    for partition in 0..PARTITIONS {
        assert_eq!(world.ticks(partition), midnights(20));
    }
    let mut ids: Vec<String> = world.facts().into_iter().map(|fact| fact.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[tokio::test]
async fn only_the_holder_loads_history() {
    let world = World::new().await;
    let first = world.start().await;
    let second = world.start().await;
    let (status, body) = second.post("/v1/history", "application/json", "").await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("not-holder")));
    first.stop().await;
    session(&second).await;
    eventually("copied", async || world.copies(0).contains(&1)).await;
}
