//! The control keeper: copies in order, take-over, ticks.

use std::time::Duration;

use serde_json::json;
use tiermesh_domain::scoring::NEWEST_LOGIC;
use tiermesh_event_log::topics::CUSTOMER_EVENTS;
use tiermesh_ingest::{Clock, Settings};
use tiermesh_proto::v1::{
    Control, ControlCopy, CustomerEvent, CutPoints, LogicActivated, control, customer_event::Event,
};

use crate::harness::{PARTITIONS, World, eventually, order, settings};

fn cut_points(as_of_ms: i64) -> control::Control {
    control::Control::CutPoints(CutPoints { policy: "p".to_owned(), version: 1, as_of_ms, ..CutPoints::default() })
}

#[tokio::test]
async fn every_partition_gets_every_record_in_order() {
    let world = World::new().await;
    let ingest = world.start().await;
    for number in 0..100 {
        world.say(cut_points(number)).await;
    }
    ingest.copied(&world).await;
    for partition in 0..PARTITIONS {
        assert_eq!(world.copies(partition), (1..=101).collect::<Vec<u64>>());
        let copied = world.events(partition).into_iter().map(|event| match event {
            Event::Control(copy) => copy.control.unwrap().control.unwrap(),
            other => panic!("{other:?}"),
        });
        assert_eq!(copied.collect::<Vec<_>>(), world.control());
    }
    let newest = control::Control::LogicActivated(LogicActivated { logic: NEWEST_LOGIC });
    assert_eq!(world.control()[0], newest, "a new mesh");
}

#[tokio::test]
async fn a_successor_sends_the_last_again_and_goes_on() {
    let world = World::new().await;
    let ingest = world.start().await;
    world.say(cut_points(1)).await;
    ingest.copied(&world).await;
    ingest.stop().await;
    world.say(cut_points(2)).await;
    let ingest = world.start().await;
    ingest.copied(&world).await;
    for partition in 0..PARTITIONS {
        assert_eq!(world.copies(partition), [1, 2, 2, 3]);
    }
}

#[tokio::test]
async fn a_broadcast_that_stopped_half_way_is_repeated() {
    let world = World::new().await;
    // What a holder leaves that died after reaching one partition, before it saved.
    world.say(control::Control::LogicActivated(LogicActivated { logic: 1 })).await;
    let control = Some(Control { control: Some(cut_points(1)), origin: None });
    world.say(cut_points(1)).await;
    let copy = CustomerEvent { event: Some(Event::Control(ControlCopy { number: 2, control })) };
    world.append(&CUSTOMER_EVENTS, 1, &copy).await;
    let ingest = world.start().await;
    ingest.copied(&world).await;
    eventually("copied", async || world.copies(1).len() == 3).await;
    assert_eq!(world.copies(1), [2, 1, 2]);
    assert_eq!(world.copies(0), [1, 2]);
}

#[tokio::test]
async fn a_failed_delivery_is_repaired_by_a_new_tenure() {
    let world = World::new().await;
    let ingest = world.start().await;
    ingest.copied(&world).await;
    world.log.fail_next_delivery("ingest-control", 0);
    world.say(cut_points(1)).await;
    world.say(cut_points(2)).await;
    ingest.copied(&world).await;
    for partition in 0..PARTITIONS {
        let mut copies = world.copies(partition);
        copies.dedup();
        copies.sort_unstable();
        copies.dedup();
        assert_eq!(copies, [1, 2, 3]);
        assert!(world.copies(partition).ends_with(&[3]));
    }
}

#[tokio::test]
async fn another_instance_takes_over() {
    let world = World::new().await;
    let first = world.start().await;
    let second = world.start().await;
    assert_eq!(first.event(&order("o-1", "a", "2010-12-01T08:26:00Z", "1")).await.0, 202);
    first.stop().await;
    world.say(cut_points(1)).await;
    second.copied(&world).await;
    assert_eq!(second.event(&order("o-2", "a", "2010-12-01T08:26:00Z", "1")).await.0, 202);
    assert_eq!(world.facts().len(), 2);
}

#[tokio::test]
async fn only_the_holder_makes_the_mesh_live() {
    let world = World::new().await;
    let first = world.start().await;
    let second = world.start().await;
    let event = order("o-1", "a", "2010-12-01T08:26:00Z", "1");
    let (status, body) = second.event(&event).await;
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("not-holder")));
    assert_eq!(first.post("/v1/live", "", "").await.0, 200);
    eventually("live", async || second.event(&event).await.0 == 202).await;
}

fn ticking() -> Settings {
    Settings { tick_interval: Duration::from_millis(20), ..settings() }
}

fn now() -> String {
    tiermesh_domain::time::format_instant(Clock::system().now_ms())
}

#[tokio::test]
async fn ticks_rise_at_multiples_of_the_interval_in_every_partition() {
    let world = World::new().await;
    let ingest = world.start_with(ticking(), Clock::system()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.ticks(0), [] as [i64; 0], "not live, no ticks");
    ingest.event(&order("o-1", "a", &now(), "1")).await;
    eventually("ticking", async || world.ticks(0).len() > 3).await;
    ingest.stop().await;
    let ingest = world.start_with(ticking(), Clock::system()).await;
    let before = world.ticks(0).len();
    eventually("ticking", async || world.ticks(0).len() > before + 3).await;
    ingest.stop().await;
    for partition in 0..PARTITIONS {
        let ticks = world.ticks(partition);
        assert!(ticks.iter().all(|tick| tick % 20 == 0));
        assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
        assert_eq!(ticks, world.ticks(0));
    }
}

#[tokio::test]
async fn time_does_not_leap_over_years_unless_the_operator_says_so() {
    let world = World::new().await;
    let ingest = world.start_with(ticking(), Clock::system()).await;
    // History of long ago: its last tick is what time leaps from.
    let session = crate::history::session(&ingest).await;
    let (status, _) =
        crate::history::end(&ingest, &session, json!({"until": "2010-12-02T00:00:00Z", "live": true})).await;
    assert_eq!(status, 200);
    let of_history = world.ticks(0);
    ingest.event(&order("o-1", "a", "2010-12-02T08:26:00Z", "1")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.ticks(0), of_history);
    // An event of now shows that the clock is right.
    ingest.event(&order("o-2", "b", &now(), "1")).await;
    eventually("ticking", async || world.ticks(0).len() > of_history.len()).await;
    ingest.stop().await;
}

#[tokio::test]
async fn an_operator_can_let_time_leap() {
    let world = World::new().await;
    let ingest = world.start_with(ticking(), Clock::system()).await;
    let session = crate::history::session(&ingest).await;
    crate::history::end(&ingest, &session, json!({"until": "2010-12-02T00:00:00Z", "live": true})).await;
    ingest.stop().await;
    let of_history = world.ticks(0);
    let ingest = world.start_with(Settings { allow_time_leap: true, ..ticking() }, Clock::system()).await;
    ingest.event(&order("o-1", "a", "2010-12-02T08:26:00Z", "1")).await;
    eventually("ticking", async || world.ticks(0).len() > of_history.len()).await;
    ingest.stop().await;
}

#[tokio::test]
async fn the_first_tick_leaps_from_nowhere() {
    let world = World::new().await;
    let ingest = world.start_with(ticking(), Clock::system()).await;
    ingest.event(&order("o-1", "a", "2010-12-01T08:26:00Z", "1")).await;
    eventually("ticking", async || !world.ticks(0).is_empty()).await;
    ingest.stop().await;
}

#[tokio::test]
async fn no_ticks_while_the_clocks_differ() {
    let world = World::new().await;
    let ahead = Clock::of(|| Clock::system().now_ms() + 120_000);
    let ingest = world.start_with(Settings { allow_time_leap: true, ..ticking() }, ahead).await;
    ingest.event(&order("o-1", "a", &now(), "1")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.ticks(0), [] as [i64; 0]);
}

#[tokio::test]
async fn a_lost_partition_is_taken_up_again_without_a_gap() {
    let world = World::new().await;
    let first = world.start().await;
    let second = world.start().await;
    for number in 1..=20 {
        world.say(cut_points(number)).await;
        if number % 5 == 0 {
            eventually("held", async || world.log.lose_partitions("ingest-control", "control", 0)).await;
        }
    }
    second.copied(&world).await;
    for partition in 0..PARTITIONS {
        // What a partition takes: nothing that isn't above its last.
        let mut taken = 0;
        for number in world.copies(partition) {
            assert!(number <= taken + 1, "{number} follows {taken}");
            taken = taken.max(number);
        }
        assert_eq!(taken, 21);
    }
    first.stop().await;
    second.stop().await;
}
