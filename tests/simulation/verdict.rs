//! The verdict: what stands in the log against what an undisturbed fold of it says.
//!
//! The yardstick is given a log without what has to be ignored: ticks not above the last, control records not above the
//! last, the same fact once more, the same summary once more. A fold that takes one of them after all says something
//! else.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Not,
};

use tiermesh_churn_warning::ChurnWarningProcessor;
use tiermesh_domain::hash::partition_of;
use tiermesh_event_log::{
    Record,
    topics::{CHURN_SIGNALS, CONTROL, CUSTOMER_EVENTS, DEAD_LETTERS, SCORING_SUMMARIES, TIER_CHANGES},
};
use tiermesh_processing::{Engine, Processor, origin_of};
use tiermesh_proto::v1::{Control, control, customer_event::Event};
use tiermesh_scoring::{CutPointsProcessor, ScoringProcessor};

use crate::world::{PARTITIONS, World};

type Verdict<T = ()> = Result<T, String>;

/// A record as consumers compare it: key, value, id.
type Said = (Vec<u8>, Vec<u8>, String);

/// What is wrong with a world in which nothing is left to do.
pub(crate) fn of(world: &mut World) -> Verdict {
    for partition in 0..PARTITIONS {
        facts_are_there(world, partition)?;
        copies_are_complete(world, partition)?;
        let input = what_counts(&records(world, CUSTOMER_EVENTS.name, partition))?;
        let scoring = ScoringProcessor { partitions: PARTITIONS };
        for (topic, of) in [(TIER_CHANGES.name, partition), (SCORING_SUMMARIES.name, 0), (DEAD_LETTERS.name, partition)]
        {
            compare(world, scoring, partition, &input, (topic, of))?;
        }
        let churn_warning = ChurnWarningProcessor { partitions: PARTITIONS };
        compare(world, churn_warning, partition, &input, (CHURN_SIGNALS.name, partition))?;
    }
    let summaries = once_each(&records(world, SCORING_SUMMARIES.name, 0));
    compare(world, CutPointsProcessor, 0, &summaries, (CONTROL.name, 0))?;
    cut_points_came_after_all_reports(world)?;
    let untidy = world.around.untidy.lock().unwrap().first().cloned();
    let wrong = world.around.heard.wrong().into_iter().chain(untidy).chain(world.wrong.first().cloned()).next();
    let repeated = world.around.heard.repeated();
    world.count("done again by a consumer", repeated);
    wrong.map_or(Ok(()), Err)
}

fn records(world: &World, topic: &str, partition: u32) -> Vec<Record> {
    world.log.records(topic, partition).unwrap()
}

/// Every event that was accepted stands in its partition.
fn facts_are_there(world: &World, partition: u32) -> Verdict {
    let mut there = BTreeSet::new();
    for record in records(world, CUSTOMER_EVENTS.name, partition) {
        if let Some(Event::Fact(fact)) = CUSTOMER_EVENTS.decode(&record).unwrap().event {
            there.insert((fact.subject, fact.id));
        }
    }
    let ours = world.events.iter().filter(|event| partition_of(&event.customer, PARTITIONS) == partition);
    match ours.map(|event| (event.customer.clone(), event.id.clone())).find(|event| !there.contains(event)) {
        Some((customer, id)) => Err(format!("event {id} of {customer} was accepted and is not in the log")),
        None => Ok(()),
    }
}

/// Every record of `control` was copied to the partition, in order; what a fold said there twice, once.
fn copies_are_complete(world: &World, partition: u32) -> Verdict {
    let mut copies = BTreeMap::new();
    for record in what_counts(&records(world, CUSTOMER_EVENTS.name, partition))? {
        if let Some(Event::Control(copy)) = CUSTOMER_EVENTS.decode(&record).unwrap().event {
            copies.insert(copy.number, copy.control.unwrap_or_default());
        }
    }
    let control = records(world, CONTROL.name, 0);
    let expected = once_each(&control).into_iter();
    let expected: BTreeMap<u64, Control> =
        expected.map(|record| (record.offset, CONTROL.decode(&record).unwrap())).collect();
    if copies == expected {
        return Ok(());
    }
    let (copies, expected): (Vec<_>, Vec<_>) = (copies.into_keys().collect(), expected.into_keys().collect());
    Err(format!("partition {partition} took the control records {copies:?}, `control` has {expected:?}"))
}

/// Of the input of a partition, what isn't to be ignored.
fn what_counts(records: &[Record]) -> Verdict<Vec<Record>> {
    let (mut time, mut number, mut facts) = (None, None, BTreeMap::new());
    let mut counts = Vec::new();
    for record in records {
        let is_new = match CUSTOMER_EVENTS.decode(record).unwrap().event.ok_or("an empty event")? {
            Event::Tick(tick) => is_above(&mut time, tick.time_ms),
            Event::Control(copy) => is_above(&mut number, copy.number),
            // Of one name the first stands. It once more is nothing new; another content is a conflict, each time.
            Event::Fact(fact) => match facts.entry((fact.subject, fact.source, fact.id)) {
                Entry::Vacant(vacant) => vacant.insert(record.value.clone()).is_empty().not(),
                Entry::Occupied(first) => *first.get() != record.value,
            },
        };
        if is_new {
            counts.push(record.clone());
        }
    }
    Ok(counts)
}

fn is_above<T: PartialOrd + Copy>(last: &mut Option<T>, new: T) -> bool {
    let is_above = last.is_none_or(|last| new > last);
    if is_above {
        *last = Some(new);
    }
    is_above
}

/// Without what a source said again.
fn once_each(records: &[Record]) -> Vec<Record> {
    let mut marks: BTreeMap<(String, u32), u64> = BTreeMap::new();
    let is_new = |record: &&Record| {
        let Some(origin) = origin_of(record) else { return true };
        let mark = marks.entry((origin.service, origin.partition)).or_default();
        let is_new = origin.sequence > *mark;
        *mark = (*mark).max(origin.sequence);
        is_new
    };
    records.iter().filter(is_new).cloned().collect()
}

/// What a processor said to a topic, and what consumers took of it, is what an undisturbed run says, in the same bytes.
fn compare<P: Processor>(
    world: &mut World,
    processor: P,
    partition: u32,
    input: &[Record],
    (topic, of): (&'static str, u32),
) -> Verdict {
    let service = processor.service();
    let place = format!("{service}/{partition} to `{topic}`/{of}");
    let mut engine = Engine::new(service, partition, processor.fold());
    let mut outgoing = Vec::new();
    for record in input {
        let folded = engine.apply(record, &mut outgoing);
        folded.map_err(|error| format!("{place}: offset {} can't be folded: {error}", record.offset))?;
    }
    let expected: Vec<Said> = outgoing
        .into_iter()
        .filter(|out| out.topic == topic)
        .map(|out| {
            said(&Record { offset: 0, key: out.record.key, value: out.record.value, headers: out.record.headers })
        })
        .collect();
    let mut mark = 0;
    let mut repeated = 0;
    for record in records(world, topic, of) {
        let Some(origin) = origin_of(&record).filter(|of| of.service == service && of.partition == partition) else {
            continue;
        };
        let number = origin.sequence;
        if number > mark + 1 {
            return Err(format!("{place}: number {number} follows {mark}"));
        }
        let Some(due) = number.checked_sub(1).and_then(|at| expected.get(at as usize)) else {
            return Err(format!("{place}: number {number} was said; undisturbed there are {}", expected.len()));
        };
        if said(&record) != *due {
            return Err(format!("{place}: number {number} at offset {} is not what is due", record.offset));
        }
        repeated += u64::from(number <= mark);
        mark = mark.max(number);
    }
    if mark != expected.len() as u64 {
        return Err(format!("{place}: {mark} were said, {} are due", expected.len()));
    }
    world.count("said again", repeated);
    world.count("said", expected.len() as u64);
    if [TIER_CHANGES.name, CHURN_SIGNALS.name].contains(&topic) {
        let noted = world.around.heard.noted(&world.around.store, topic, of);
        let noted: Vec<Said> = noted.iter().map(said).collect();
        if noted != expected {
            return Err(format!("{place}: the consumer noted {}, {} are due", noted.len(), expected.len()));
        }
        let done = world.around.heard.done(&format!("{topic}/{of}"));
        if done != expected.into_iter().map(|(.., id)| id).collect() {
            return Err(format!("{place}: what the consumer did is not what was due"));
        }
    }
    Ok(())
}

fn said(record: &Record) -> Said {
    let id = record.header("ce_id").unwrap_or_default().to_owned();
    (record.key.to_vec(), record.value.to_vec(), id)
}

/// Cut-points of a boundary rest on the reports of all partitions of that very boundary; and there are some.
fn cut_points_came_after_all_reports(world: &World) -> Verdict {
    let summaries = once_each(&records(world, SCORING_SUMMARIES.name, 0));
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    for record in records(world, CONTROL.name, 0) {
        let Some(control::Control::CutPoints(cut_points)) = CONTROL.decode(&record).unwrap().control else { continue };
        let rests_on = origin_of(&record).map_or(0, |origin| origin.offset);
        let before = summaries.iter().filter(|record| record.offset <= rests_on);
        let reported: BTreeSet<u32> = before
            .filter(|record| SCORING_SUMMARIES.decode(record).unwrap().boundary_ms == cut_points.as_of_ms)
            .filter_map(|record| origin_of(record).map(|origin| origin.partition))
            .collect();
        if reported.len() != PARTITIONS as usize {
            let as_of = cut_points.as_of_ms;
            return Err(format!("cut-points as of {as_of} were made when only {reported:?} had reported"));
        }
        newest.insert(cut_points.policy, cut_points.as_of_ms);
    }
    let last_boundary = world.wall().div_euclid(60_000) * 60_000;
    for (which, policy) in [(0, "share"), (1, "best")] {
        let is_wanted = world.documents.iter().any(|document| document.which == which) && !world.events.is_empty();
        if is_wanted && newest.get(policy) != Some(&last_boundary) {
            let newest = newest.get(policy);
            return Err(format!("`{policy}` has cut-points as of {newest:?}; the last boundary is {last_boundary}"));
        }
    }
    Ok(())
}
