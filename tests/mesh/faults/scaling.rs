//! Instances that are restarted one after the other, and a group that grows and shrinks.

use std::collections::BTreeSet;

use tiermesh_testkit::wait_for;

use super::{
    scale,
    stage::{Stage, on_disk},
};
use crate::{kafka::owned, mesh_process::PATIENCE, running::PARTITIONS};

const FIRST: [(&str, &str); 4] = [
    ("ingest", "ingest"),
    ("scoring-1", "scoring"),
    ("churn-warning", "churn-warning"),
    ("notification", "notification"),
];
const MORE: [&str; 3] = ["scoring-2", "scoring-3", "scoring-4"];

/// Waits until these share the partitions, each with some.
fn share(stage: &mut Stage, names: &[&str]) {
    let all: BTreeSet<u32> = (0..PARTITIONS).collect();
    wait_for(&format!("{names:?} to share the partitions"), PATIENCE, || {
        let parts: Vec<BTreeSet<u32>> = names.iter().map(|name| owned(stage.mesh.process(name))).collect();
        let together: BTreeSet<u32> = parts.iter().flatten().copied().collect();
        let count: usize = parts.iter().map(BTreeSet::len).sum();
        together == all && count == all.len() && parts.iter().all(|part| !part.is_empty())
    });
}

#[test]
fn a_group_may_grow_be_restarted_one_by_one_and_shrink() {
    let more = if scale().full { &MORE[..] } else { &MORE[..1] };
    let mut stage = Stage::start(&FIRST, on_disk);
    let mut all = vec!["scoring-1"];
    let alone = stage.mesh.process("scoring-1").resident_mebibytes();
    stage.begin(&format!("scoring grows from one instance to {}", more.len() + 1));
    for &name in more {
        stage.launch(name, "scoring", &[]);
        stage.mesh.process(name).wait_until_ready();
        all.push(name);
        share(&mut stage, &all);
    }
    stage.leaves_line(&["scoring-1"], &["partitions revoked", "lost=false"]);
    let shared = stage.mesh.process("scoring-1").resident_mebibytes();
    stage.row().lines.push(format!("scoring-1 had {alone} MiB alone, {shared} MiB with the others"));
    stage.recovers();

    stage.begin(&format!("of scoring restarted one by one: {}", more.join(", ")));
    stage.row().rounds = more.len();
    for &name in more {
        stage.mesh.process(name).stop();
        stage.mesh.process(name).launch();
        stage.mesh.process(name).wait_until_ready();
        stage.goes_on();
    }
    stage.leaves_line(&["scoring-2"], &["partition released"]);
    share(&mut stage, &all);
    stage.recovers();

    stage.begin(&format!("scoring shrinks from {} instances to one", more.len() + 1));
    for &name in more {
        stage.mesh.process(name).stop();
        stage.forget(name);
        all.retain(|left| *left != name);
        share(&mut stage, &all);
        stage.goes_on();
    }
    stage.leaves_line(&["scoring-1"], &["partition taken over"]);
    stage.recovers();
    stage.finish("scaling");
}
