//! The ledger as its interface shows it, and a person's second try.

use serde_json::Value;

use crate::{
    receiver::Receiver,
    stage::{Life, Stage, changes_to},
};

/// Listens for this process, and gives what is asked of it.
async fn listen(life: &Life) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/deliveries", listener.local_addr().unwrap());
    let router = life.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn get(url: &str) -> (u16, Value) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn post(url: &str) -> (u16, Value) {
    let answer = reqwest::Client::new().post(url).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn what_is_dead_can_be_tried_again() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    receiver.answer(&[410]);
    let life = stage.start(&changes_to(&receiver)).await;
    let url = listen(&life).await;
    stage.say(0, &stage.change(1, "up").await).await;
    stage.until_ledger("dead", 1).await;
    let (_, dead) = get(&format!("{url}?state=dead")).await;
    let id = dead["deliveries"][0]["id"].as_str().unwrap();
    assert_eq!(get(&format!("{url}/{id}")).await, (200, dead["deliveries"][0].clone()));

    // Again with a whole series of attempts, of which the first fails.
    receiver.answer(&[500]);
    let (status, retried) = post(&format!("{url}/{id}/retry")).await;
    assert_eq!((status, &retried["state"]), (200, &Value::from("retrying")));
    stage.until_ledger("delivered", 1).await;
    let (status, error) = post(&format!("{url}/{id}/retry")).await;
    assert_eq!((status, &error["error"]["code"]), (409, &Value::from("not-over")));
    assert_eq!(post(&format!("{url}/nothing/retry")).await.0, 404);
    life.stop().await;
    assert_eq!(receiver.ids().into_values().collect::<Vec<_>>(), [3]);
}

#[tokio::test]
async fn the_ledger_is_shown_by_page_and_filter() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let life = stage.start(&changes_to(&receiver)).await;
    let url = listen(&life).await;
    for number in 1..=5 {
        stage.say(0, &stage.change(number, "up").await).await;
    }
    stage.until_ledger("delivered", 5).await;
    let (mut after, mut seen) = (String::new(), Vec::new());
    loop {
        let (status, page) = get(&format!("{url}?limit=2&route=changes{after}")).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(page["deliveries"].as_array().unwrap().iter().map(|shown| shown["customer"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen.len(), 5);
    let (_, of_one) = get(&format!("{url}?customer=customer-3")).await;
    assert_eq!(of_one["deliveries"].as_array().unwrap().len(), 1);
    let (_, of_none) = get(&format!("{url}?state=dead")).await;
    assert_eq!(of_none["deliveries"].as_array().unwrap().len(), 0);
    life.stop().await;
}

#[tokio::test]
async fn a_bad_question_is_answered_with_what_is_right() {
    let (stage, receiver) = (Stage::new().await, Receiver::start().await);
    let life = stage.start(&changes_to(&receiver)).await;
    let url = listen(&life).await;
    for (query, said) in [
        ("state=lost", "pending, retrying, delivered, dead, expired"),
        ("limit=0", "between 1 and 1000"),
        ("limit=many", "limit"),
        ("after=x", "next"),
        ("stat=dead", "state, route, customer, after, limit"),
    ] {
        let (status, error) = get(&format!("{url}?{query}")).await;
        let reason = error["error"]["reason"].as_str().unwrap();
        assert!(status == 400 && reason.contains(said), "{query}: {status} {reason}");
    }
    assert_eq!(get(&format!("{url}/nothing")).await.0, 404);
    life.stop().await;
}
