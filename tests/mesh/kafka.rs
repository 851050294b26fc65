//! Separate processes on Apache Kafka and PostgreSQL: two of scoring share the partitions, and give what `simulate`
//! gives.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tiermesh_domain::hash::partition_of;
use tiermesh_testkit::wait_for;

use crate::{
    data::{ndjson, retail_events},
    embedded::{assert_is, load_year},
    mesh_process::{PATIENCE, Process, run},
    running::{Mesh, PARTITIONS},
    simulate_command::{simulate, simulated_year},
};

/// A day after the year.
const NEXT_DAY: &str = "2010-12-02T00:00:00Z";

/// Starts ingest, scoring as often as it has names, churn-warning, and puts the ready policies in force.
pub(crate) fn start(scoring: &[&'static str]) -> Mesh {
    let mut mesh = Mesh::on_kafka();
    mesh.serve("ingest", "ingest");
    scoring.iter().for_each(|name| mesh.serve(name, "scoring"));
    mesh.serve("churn-warning", "churn-warning");
    let activate = ["policy", "activate", "abc", "lifecycle", "pyramid", "scorecard", "loss-signals"];
    run(&[&activate[..], &["--to", &mesh.url()]].concat());
    mesh
}

/// The partitions of `customer.events` that a process folds for scoring, as its log tells it.
pub(crate) fn owned(process: &Process) -> BTreeSet<u32> {
    let mut owned = BTreeSet::new();
    for line in process.logged().lines().filter(|line| line.contains("service=\"scoring\"")) {
        let number = line.split("partition=").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        match number {
            Some(number) if line.contains("partition taken over") => _ = owned.insert(number),
            Some(number) if line.contains("partition released") => _ = owned.remove(&number),
            _ => {}
        }
    }
    owned
}

/// An order of a day after the year, for a customer in each partition.
fn orders_of_the_next_day() -> Vec<Value> {
    let order = |partition: u32| {
        let customer =
            (0..).map(|number| format!("new-{number}")).find(|name| partition_of(name, PARTITIONS) == partition);
        let customer = customer.unwrap();
        json!({
            "specversion": "1.0", "type": "tiermesh.order.placed", "source": "test", "id": customer,
            "subject": customer, "time": "2010-12-01T12:00:00Z",
            "data": {"order_id": customer, "amount": "99999.00", "currency": "GBP"},
        })
    };
    (0..PARTITIONS).map(order).collect()
}

#[test]
fn two_instances_of_scoring_give_what_simulate_gives_and_one_takes_over_from_the_other() {
    let mut mesh = start(&["scoring-1", "scoring-2"]);
    let all: BTreeSet<u32> = (0..PARTITIONS).collect();
    wait_for("both instances to share the partitions", PATIENCE, || {
        let (one, two) = (owned(mesh.process("scoring-1")), owned(mesh.process("scoring-2")));
        !one.is_empty() && !two.is_empty() && one.is_disjoint(&two) && one.union(&two).copied().eq(all.iter().copied())
    });
    load_year(&mesh);
    assert_is(&mesh, simulated_year());
    assert!(!owned(mesh.process("scoring-1")).is_empty() && !owned(mesh.process("scoring-2")).is_empty());

    // Cut-points need every partition: history goes on only if the other instance has taken all of them.
    mesh.process("scoring-1").stop();
    assert_eq!(owned(mesh.process("scoring-1")), BTreeSet::new());
    let next_day = orders_of_the_next_day();
    let file = mesh.file("next-day.ndjson", &ndjson(&next_day));
    assert_eq!(mesh.send(&["--history", "--until", NEXT_DAY, "--more", &file])["accepted"], u64::from(PARTITIONS));
    assert_eq!(owned(mesh.process("scoring-2")), all);
    mesh.wait_until_folded();
    let events = [retail_events(), next_day].concat();
    let file = mesh.file("all.ndjson", &ndjson(&events));
    assert_is(&mesh, &simulate(&[file.as_ref()], NEXT_DAY, false));
    ["ingest", "scoring-2", "churn-warning"].iter().for_each(|name| mesh.process(name).stop());
}
