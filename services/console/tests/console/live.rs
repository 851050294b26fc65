//! What is new, as it comes.

use std::collections::BTreeMap;

use futures::{Stream, StreamExt};
use serde_json::Value;

use crate::stage::{Running, World};

/// One server-sent event: its fields, `data` as JSON.
#[derive(Debug)]
struct News {
    event: String,
    id: String,
    data: Value,
}

async fn listen(console: &Running, last_id: Option<&str>) -> impl Stream<Item = News> + Unpin + use<> {
    let mut request = console.client.get(format!("{}/api/v1/live", console.url));
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let bytes = Box::pin(answer.bytes_stream());
    Box::pin(futures::stream::unfold((bytes, String::new()), async |(mut bytes, mut text)| {
        loop {
            if let Some((block, rest)) =
                text.split_once("\n\n").map(|(block, rest)| (block.to_owned(), rest.to_owned()))
            {
                text = rest;
                let fields: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once(": ")).collect();
                let Some(data) = fields.get("data") else { continue };
                let field = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
                let news = News { event: field("event"), id: field("id"), data: serde_json::from_str(data).unwrap() };
                return Some((news, (bytes, text)));
            }
            text.push_str(std::str::from_utf8(&bytes.next().await?.ok()?).unwrap());
        }
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_and_what_was_missed_is_told_again() {
    let mut world = World::with_history().await;
    let console = world.console().await;
    let mut news = listen(&console, None).await;
    assert_eq!(news.next().await.unwrap().event, "hello");

    world.order("new-1", 121, "10.00").await;
    let mut told = Vec::new();
    while told.len() < 2 {
        told.push(news.next().await.unwrap());
    }
    assert!(told.iter().all(|news| news.event == "change" && news.data["customer"] == "new-1"), "{told:?}");

    // Whoever comes back with an id is told what lay between, once, and then what comes.
    let mut again = listen(&console, Some(&told[0].id)).await;
    assert_eq!(again.next().await.unwrap().event, "hello");
    let missed = again.next().await.unwrap();
    assert_eq!((&missed.id, &missed.data), (&told[1].id, &told[1].data));
    world.delivery("d9", "new-1", "dead", 5).await;
    for news in [&mut again, &mut news] {
        let told = loop {
            let told = news.next().await.unwrap();
            if told.event == "delivery" {
                break told;
            }
        };
        assert_eq!((&told.data["id"], &told.data["state"]), (&"d9".into(), &"dead".into()));
    }
    console.stop().await;
    // A soft stop ends the connections: nobody has to wait for them.
    assert!(news.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_an_earlier_building_is_told_to_load_anew() {
    let world = World::with_history().await;
    let console = world.console().await;
    let number = console.model.standing().await.unwrap().number;
    console.model.rebuild().await.unwrap();
    console.settled(2).await;
    for id in [format!("1-{number}").as_str(), "nonsense", "2--99999"] {
        assert_eq!(listen(&console, Some(id)).await.next().await.unwrap().event, "reset", "{id}");
    }
    console.stop().await;
}
