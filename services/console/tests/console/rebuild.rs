//! Dropped while it runs, the read model is built again, and says the same.

use serde_json::Value;

use crate::stage::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn dropped_while_it_runs_it_says_the_same_again() {
    let mut world = World::with_history().await;
    let console = world.console().await;
    let everything = async || -> Vec<Value> {
        let mut all = console.all("customers", 100).await;
        for path in ["customers/17850/timeline", "changes", "signals", "deliveries"] {
            all.extend(console.all(path, 500).await);
        }
        all.push(console.get("customers/17850").await);
        all.push(console.get("tiers").await);
        // What partitions say of one instant stands in the order in which it went in.
        all.sort_by_key(Value::to_string);
        all
    };
    let before = everything().await;
    console.model.rebuild().await.unwrap();
    console.settled(2).await;
    assert_eq!(everything().await, before);

    // And it goes on from there.
    world.order("99999", 120, "10.00").await;
    eventually("the new customer", async || console.ask("customers/99999").await.0 == 200).await;
    assert_eq!(console.get("customers/99999").await["events"], 1);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_start_goes_on_where_the_last_stopped() {
    let mut world = World::with_history().await;
    let console = world.console().await;
    let number = console.model.standing().await.unwrap().number;
    console.stop().await;
    world.order("17850", 120, "10.00").await;
    let console = world.console().await;
    let standing = console.model.standing().await.unwrap();
    assert_eq!(standing.generation, 1);
    // The order, and what it changes: nothing of what was known went in again.
    assert!(standing.number - number < 10, "{number} {standing:?}");
    assert_eq!(console.get("customers/17850").await["events"], 27);
    console.stop().await;
}
