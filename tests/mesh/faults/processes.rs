//! Processes that hang and come back, and processes that are killed at random times.

use std::time::Duration;

use rand::{
    Rng, SeedableRng,
    rngs::StdRng,
    seq::{IndexedRandom, SliceRandom},
};

use super::{
    scale,
    stage::{ALL, BEYOND_SESSION, LOST, Stage, on_disk},
};

/// Whoever hangs beyond the session's end is given up by its group, and doesn't know it when it goes on.
fn freeze(stage: &mut Stage, victim: &str, successor: Option<&str>) {
    stage.begin(&format!("SIGSTOP of {victim} beyond its session, SIGCONT"));
    stage.mesh.process(victim).freeze();
    let url = stage.mesh.process(victim).url();
    stage.doctor_names(&["service", &url, "no answer"]);
    match successor {
        Some(successor) => stage.leaves_one_of(&[successor], &[&["holding `control`"], &["partition taken over"]]),
        None => std::thread::sleep(BEYOND_SESSION),
    }
    stage.mesh.process(victim).thaw();
    stage.leaves_one_of(&[victim], &LOST);
    stage.recovers();
}

/// Who is killed: of each service one instance, whichever it happens to be.
const VICTIMS: [&[&str]; 5] =
    [&["ingest-1", "ingest-2"], &["scoring-1", "scoring-2"], &["churn-warning"], &["notification"], &["console"]];

/// Kills each service once a round, in a random order, at random times.
fn kill(stage: &mut Stage, rounds: usize) {
    let mut random = StdRng::seed_from_u64(5);
    stage.begin("`kill -9` of each service at random times");
    stage.row().rounds = rounds;
    for round in 0..rounds {
        let mut order = VICTIMS;
        order.shuffle(&mut random);
        for instances in order {
            let victim = *instances.choose(&mut random).unwrap();
            stage.goes_on();
            std::thread::sleep(Duration::from_millis(random.random_range(0..1_500)));
            stage.mesh.process(victim).kill();
            // Once for each of them: it takes longer than the fault.
            if round == 0 {
                let url = stage.mesh.process(victim).url();
                stage.doctor_names(&["service", &url, "no answer"]);
            }
            stage.mesh.process(victim).launch();
            stage.mesh.process(victim).wait_until_ready();
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    stage.leaves_line(&["scoring-1", "scoring-2"], &["partition taken over"]);
    stage.recovers();
}

#[test]
fn processes_may_hang_and_be_killed() {
    let scale = scale();
    let mut stage = Stage::start(&ALL, on_disk);
    if scale.full {
        let holds = stage.mesh.process("ingest-1").logged().contains("holding `control`");
        let (holder, other) = if holds { ("ingest-1", "ingest-2") } else { ("ingest-2", "ingest-1") };
        freeze(&mut stage, holder, Some(other));
        freeze(&mut stage, "churn-warning", None);
        freeze(&mut stage, "notification", None);
        freeze(&mut stage, "console", None);
    }
    freeze(&mut stage, "scoring-1", Some("scoring-2"));
    kill(&mut stage, scale.rounds);
    stage.finish("processes");
}
