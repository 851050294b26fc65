//! The end of a run: faults are healed, what was not answered is sent again, and time passes until nothing is left to do.

use std::time::Duration;

use tiermesh_event_log::{
    EventLog,
    topics::{CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS, SCORING_SUMMARIES, TIER_CHANGES},
};

use crate::{
    listener::LISTENER,
    operation::{INSTANCES, Operation},
    world::{PARTITIONS, World},
};

/// A bound on steps, far above what healing takes.
const MOST_STEPS: usize = 400;
const STEP: Duration = Duration::from_millis(500);
/// Past the next boundary.
const TWO_MINUTES_MS: i64 = 120_000;

/// Heals and drains. An error if something never comes to its end.
pub(crate) fn drain(world: &mut World) -> Result<(), String> {
    heal(world);
    settle(world, "the schedule")?;
    // A tick for all, a boundary that all report, and its cut-points: whatever was left half-written is behind it.
    for round in ["the last tick but one", "the last tick"] {
        world.advance_wall(TWO_MINUTES_MS);
        for _ in 0..4 {
            world.pass_step(STEP);
        }
        settle(world, round)?;
    }
    Ok(())
}

fn heal(world: &mut World) {
    world.operate(&Operation::Back);
    for instance in 0..INSTANCES {
        if let Some(process) = &world.processes[instance] {
            process.gate.disarm();
            process.skew.store(0, std::sync::atomic::Ordering::Relaxed);
            world.log.release_deliveries(&process.client.clone());
        }
        world.thaw(instance);
    }
    world.start(0);
}

/// Time passes, the wall's aside, until all is taken in, folded, saved and noted.
fn settle(world: &mut World, what: &str) -> Result<(), String> {
    for step in 0..MOST_STEPS {
        if step % 8 == 0 {
            ask_again(world, step / 8);
        }
        world.pass_step(STEP);
        if world.processes.iter().flatten().all(|process| process.is_stopping()) {
            world.start(0);
            world.start(1);
        }
        if let Some(wrong) = world.wrong.first() {
            return Err(format!("after {what}: {wrong}"));
        }
        if step % 2 == 1 && left(world)?.is_none() {
            return Ok(());
        }
    }
    let left = left(world)?.unwrap_or_default();
    Err(format!("after {what}: in {MOST_STEPS} steps of {STEP:?} not done: {left}"))
}

/// Sends again what nobody answered for, each time to another door.
fn ask_again(world: &mut World, time: usize) {
    let is_open = |at: &usize| world.processes[*at].as_ref().is_some_and(|process| !process.is_stopping());
    let doors: Vec<usize> = (0..INSTANCES).filter(is_open).collect();
    let Some(door) = doors.get(time % doors.len().max(1)).copied() else { return };
    for number in unanswered(world) {
        world.send(door, number);
    }
    for number in unanswered_documents(world) {
        world.activate(door, number);
    }
}

fn unanswered(world: &World) -> Vec<usize> {
    let answers = world.around.answers.lock().unwrap();
    (0..world.events.len()).filter(|number| answers.events.get(number).is_none_or(|status| *status >= 300)).collect()
}

/// Those whose version isn't in force, nor a later one.
fn unanswered_documents(world: &World) -> Vec<usize> {
    let answers = world.around.answers.lock().unwrap();
    let is_open = |number: &usize| match answers.documents.get(number) {
        Some(Ok(())) => false,
        Some(Err(why)) => !why.contains("version"),
        None => true,
    };
    (0..world.documents.len()).filter(is_open).collect()
}

/// What is left to do.
fn left(world: &World) -> Result<Option<String>, String> {
    let answers = world.around.answers.lock().unwrap().events.clone();
    if let Some((number, status)) = answers.iter().find(|(_, status)| (400..429).contains(*status)) {
        return Err(format!("event {number} was refused with status {status}"));
    }
    if let Some(number) = unanswered(world).first() {
        return Ok(Some(format!("event {number} is not accepted: {:?}", answers.get(number))));
    }
    if let Some(number) = unanswered_documents(world).first() {
        let answers = world.around.answers.lock().unwrap();
        return Ok(Some(format!("document {number} is not in force: {:?}", answers.documents.get(number))));
    }
    let end = |topic: &str, partition| {
        let extent = futures::FutureExt::now_or_never(world.log.extent(topic, partition));
        extent.expect("the log in memory answers at once").unwrap().end
    };
    let positions = world.around.store.positions();
    let mesh = (0..PARTITIONS).flat_map(|partition| [("scoring", partition), ("churn-warning", partition)]);
    let folds = mesh.map(|(service, partition)| (service, CUSTOMER_EVENTS.name, partition));
    let single = [("cut-points", SCORING_SUMMARIES.name, 0), ("ingest-control", CONTROL.name, 0)];
    for (service, topic, partition) in folds.chain(single) {
        let saved = positions.iter().find(|saved| saved.processor == service && saved.partition == partition);
        let (saved, end) = (saved.map_or(0, |saved| saved.position.next_offset).max(1), end(topic, partition));
        if saved != end {
            return Ok(Some(format!("{service}, partition {partition} is saved to {saved}; `{topic}` ends at {end}")));
        }
    }
    let moves = world.around.store.moves();
    for topic in [TIER_CHANGES.name, CHURN_SIGNALS.name] {
        for partition in 0..PARTITIONS {
            let of = |made: &&tiermesh_store::Move| {
                made.consumer == LISTENER && made.topic == topic && made.partition == partition
            };
            let (noted, end) = (moves.iter().rev().find(of).map_or(1, |made| made.to), end(topic, partition));
            if noted != end {
                return Ok(Some(format!(
                    "the listener stands at {noted} of `{topic}`/{partition}, which ends at {end}"
                )));
            }
        }
    }
    Ok(None)
}
