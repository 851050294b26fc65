//! Outputs are numbered 1, 2, 3 … for each source partition and topic, in the order of the input.

use std::collections::BTreeSet;

use tiermesh_domain::fold::Effect;
use tiermesh_event_log::topics::TIER_CHANGES;
use tiermesh_processing::origin_of;

use crate::{
    counting::{COUNTS, Counts, INPUT, THIRDS, Word, words},
    stage::Stage,
};

#[test]
fn outputs_follow_the_input_by_number() {
    let stage = Stage::new(3);
    stage.life(async |life| {
        let service = life.serve();
        for partition in 0..3 {
            life.append(partition, words(0..40 * u64::from(partition))).await;
        }
        life.until("all is said", async || (0..3).all(|partition| stage.is_complete(partition))).await;
        service.stop(life).await;
    });
    let mut ids = BTreeSet::new();
    for partition in 0..3 {
        stage.assert_tidy(partition);
        for topic in [COUNTS, THIRDS] {
            let mut offset = 0;
            for (sequence, record) in (1..).zip(stage.records(topic, partition)) {
                let origin = origin_of(&record).unwrap();
                assert_eq!(origin.sequence, sequence);
                assert!(origin.offset >= offset, "outputs follow the order of the input");
                offset = origin.offset;
                assert!(ids.insert((topic, record.header("ce_id").unwrap().to_owned())), "ids are unique");
            }
        }
    }
    assert!(ids.len() > 120);
}

#[test]
fn effects_of_one_record_stand_in_canonical_order() {
    let word = Word { key: "key".to_owned(), echoes: 4, ..Word::default() };
    let mut scrambled = Vec::new();
    tiermesh_domain::fold::Fold::apply(&mut Counts::default(), &word, &mut scrambled).unwrap();
    let policies: Vec<&str> = scrambled.iter().map(|effect| effect.canonical_key().2).collect();
    assert!(!policies.is_sorted(), "the fold is to say them in no good order");
    assert!(scrambled.iter().all(|effect| matches!(effect, Effect::TierChanged(_))));

    let stage = Stage::new(1);
    stage.life(async |life| {
        let service = life.serve();
        life.append(0, vec![word.record()]).await;
        life.until("all is said", async || stage.is_complete(0)).await;
        service.stop(life).await;
    });
    let said = stage.records(COUNTS, 0);
    let policies: Vec<String> = said.iter().map(|record| TIER_CHANGES.decode(record).unwrap().policy).collect();
    assert_eq!(policies, ["policy-0", "policy-1", "policy-2", "policy-3", "policy-4"]);
    let origins: Vec<_> = said.iter().map(|record| TIER_CHANGES.decode(record).unwrap().origin).collect();
    assert_eq!(origins, said.iter().map(origin_of).collect::<Vec<_>>(), "headers and values tell the same origin");
    assert_eq!(stage.records(INPUT, 0).len(), 1);
}
