//! A stand-in for scoring: once all partitions hold a tick, it writes cut-points as of it.

use tiermesh_event_log::{EventLog, topics::CUSTOMER_EVENTS};
use tiermesh_proto::v1::{CutPoints, control, customer_event::Event};
use tokio::task::JoinHandle;

use crate::harness::{PARTITIONS, World};

/// Answers every tick for this policy, and checks that nothing comes before the cut-points of the tick before.
pub async fn answer_ticks(world: &World, policy: &str, version: u32) -> JoinHandle<()> {
    let log = world.log.clone();
    let policy = policy.to_owned();
    let mut readers = Vec::new();
    for partition in 0..PARTITIONS {
        readers.push(log.read(CUSTOMER_EVENTS.name, partition, 0).await.unwrap());
    }
    tokio::spawn(async move {
        let producer = log.producer("scoring").await.unwrap();
        let mut last = None;
        loop {
            let mut time = None;
            for reader in &mut readers {
                let tick = loop {
                    let record = reader.next(1).await.unwrap().remove(0);
                    match CUSTOMER_EVENTS.decode(&record).unwrap().event.unwrap() {
                        Event::Tick(tick) if last.is_none_or(|last| tick.time_ms > last) => break tick.time_ms,
                        _ => {}
                    }
                };
                assert!(time.is_none_or(|time| time == tick), "all partitions get the same ticks");
                time = Some(tick);
            }
            last = time;
            let cut_points = control::Control::CutPoints(CutPoints {
                policy: policy.clone(),
                version,
                as_of_ms: time.unwrap(),
                ..CutPoints::default()
            });
            let control = tiermesh_proto::v1::Control { control: Some(cut_points), origin: None };
            let record = tiermesh_event_log::topics::CONTROL.record("", &control, Default::default());
            producer.send("control", 0, vec![record]).await.unwrap().await.unwrap();
        }
    })
}
