//! Two promises, held against what stands in a log after whatever happened: everything accepted is there, and what was
//! said is what an undisturbed fold of the same log says, once, in order, in the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tiermesh_domain::fold::FoldError;
use tiermesh_event_log::{Headers, topics::CUSTOMER_EVENTS};
use tiermesh_processing::{Engine, Outgoing, Processor, origin_of};
use tiermesh_proto::v1::customer_event::Event;
use tiermesh_testkit::wait_for;

use crate::{mesh_process::PATIENCE, running::Mesh};

/// Everything that was sent stands in the log, under its name.
pub(crate) fn assert_nothing_lost(mesh: &Mesh, sent: &[Value]) {
    let mut found: BTreeSet<(String, String, String)> = BTreeSet::new();
    for record in mesh.records(CUSTOMER_EVENTS.name).iter().flatten() {
        // A test may have written records that nobody can read.
        if let Ok(Some(Event::Fact(fact))) = CUSTOMER_EVENTS.decode(record).map(|event| event.event) {
            found.insert((fact.source, fact.subject, fact.id));
        }
    }
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let name = |event: &Value| (text(event, "source"), text(event, "subject"), text(event, "id"));
    let sent: BTreeSet<_> = sent.iter().map(name).collect();
    assert!(!sent.is_empty(), "nothing was sent: the test tests nothing");
    assert!(sent == found, "of {} events {} stand in the log", sent.len(), found.intersection(&sent).count());
}

/// A record as it was said, but for where it stands and whose trace it belongs to.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Headers,
}

impl Said {
    fn new(key: &[u8], value: &[u8], headers: &Headers) -> Self {
        let headers = headers.iter().filter(|(name, _)| *name != "traceparent").collect();
        Self { key: key.to_vec(), value: value.to_vec(), headers }
    }
}

/// By output topic and source partition.
type Outputs = BTreeMap<(&'static str, u32), Vec<Said>>;

/// What a service stood by: each number once, none missing. What was said again must be the same bytes; how often that
/// happened.
fn said<P: Processor>(mesh: &Mesh, processor: &P) -> (Outputs, usize) {
    let (mut outputs, mut repeats) = (Outputs::new(), 0);
    let topics: BTreeSet<&str> = processor.outputs(0).iter().map(|(topic, _)| *topic).collect();
    for topic in topics {
        for record in mesh.records(topic).iter().flatten() {
            let Some(origin) = origin_of(record).filter(|origin| origin.service == processor.service()) else {
                continue;
            };
            let said = outputs.entry((topic, origin.partition)).or_default();
            let this = Said::new(&record.key, &record.value, &record.headers);
            let at = usize::try_from(origin.sequence).unwrap() - 1;
            match said.get(at) {
                Some(earlier) => {
                    assert!(*earlier == this, "{topic}: {origin:?} was said twice, in other bytes");
                    repeats += 1;
                }
                None => {
                    assert_eq!(said.len(), at, "{topic}: a gap before {origin:?}");
                    said.push(this);
                }
            }
        }
    }
    (outputs, repeats)
}

/// What a service says that nothing disturbs, of what its input holds now: of each partition up to a record that can't be
/// read, if there is one.
fn undisturbed<P: Processor>(mesh: &Mesh, processor: &P) -> Outputs {
    let mut outputs = Outputs::new();
    for (partition, records) in (0..).zip(mesh.records(processor.input())) {
        let mut engine = Engine::new(processor.service(), partition, processor.fold());
        let mut outgoing: Vec<Outgoing> = Vec::new();
        for record in &records {
            match engine.apply(record, &mut outgoing) {
                Ok(()) => {}
                Err(FoldError::Corrupt(_)) => break,
                Err(error) => panic!("{}: {error}", processor.service()),
            }
        }
        for Outgoing { topic, record, .. } in outgoing {
            let said = Said::new(&record.key, &record.value, &record.headers);
            outputs.entry((topic, partition)).or_default().push(said);
        }
    }
    outputs
}

/// What a service said is what it would have said undisturbed: all of it, and nothing else. Gives how often something
/// was said again, which whoever keeps a mark doesn't notice.
pub(crate) fn assert_undisturbed<P: Processor>(mesh: &Mesh, processor: &P) -> usize {
    let service = processor.service();
    let least = undisturbed(mesh, processor);
    assert!(!least.is_empty(), "{service} had nothing to say: the test tests nothing");
    let (mut found, mut repeats) = (Outputs::new(), 0);
    wait_for(&format!("{service} to say all it has to say"), PATIENCE, || {
        (found, repeats) = said(mesh, processor);
        least.iter().all(|(key, least)| found.get(key).is_some_and(|found| found.len() >= least.len()))
    });
    // Time went on meanwhile, and more may have been said.
    let lengths = |outputs: &Outputs| outputs.iter().map(|(key, said)| (*key, said.len())).collect::<Vec<_>>();
    let most = if lengths(&found) == lengths(&least) { least } else { undisturbed(mesh, processor) };
    for (key, found) in &found {
        let expected = most.get(key).map_or(&[][..], Vec::as_slice);
        assert!(found.len() <= expected.len(), "{service}, {key:?}: says more than there is to say");
        let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
        if let Some(at) = differs {
            panic!("{service}, {key:?}, {}:\n  found    {:?}\n  expected {:?}", at + 1, found[at], expected[at]);
        }
    }
    repeats
}
