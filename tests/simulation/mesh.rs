//! The scenario: a schedule is run, then every fault healed and everything drained, and then what stands in the log is
//! judged.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::Once,
};

use tiermesh_event_log::topics;
use tiermesh_service_host::LogArgs;
use tiermesh_testkit::simulation::{Run, Scenario};

use crate::{
    drain::drain,
    operation::{Operation, plan, simpler},
    panics::Panics,
    verdict,
    world::{PARTITIONS, World},
};

/// The whole mesh.
pub(crate) struct Mesh;

impl Scenario for Mesh {
    type Operation = Operation;

    fn plan(&self, seed: u64) -> Vec<Operation> {
        plan(seed)
    }

    fn run(&self, operations: &[Operation]) -> Run {
        let panics = Panics::watch();
        say_what_services_say();
        let mut world = World::new();
        let operated = operations.iter().try_for_each(|operation| {
            world.operate(operation);
            world.wrong.first().map_or(Ok(()), |wrong| Err(wrong.clone()))
        });
        let verdict = operated.and_then(|()| drain(&mut world)).and_then(|()| verdict::of(&mut world));
        let trace = trace(&world);
        let verdict = verdict.and_then(|()| panics.none());
        let taken = std::mem::take(&mut world.taken);
        Run { verdict, taken, trace }
    }

    fn simpler(&self, operation: &Operation) -> Vec<Operation> {
        simpler(operation)
    }
}

/// A hash of all that stands in the log. Headers aside: ingest gives control records random ids.
fn trace(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    for topic in topics::all(PARTITIONS) {
        for partition in 0..topic.partitions {
            for record in world.log.records(&topic.name, partition).unwrap() {
                (&topic.name, partition, record.offset, record.key, record.value).hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

/// With `TIERMESH_LOG` set the services' log lines are shown: for looking at one schedule.
fn say_what_services_say() {
    static STARTED: Once = Once::new();
    if let Ok(filter) = std::env::var("TIERMESH_LOG") {
        STARTED.call_once(|| LogArgs::default().start(&filter));
    }
}
