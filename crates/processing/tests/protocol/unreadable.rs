//! What can't be read stops its partition, and what only a later release can fold stops the service, both naming the
//! record; trying again would not help.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tiermesh_domain::{fold::FoldError, scoring::Scoring};
use tiermesh_event_log::{
    NewRecord,
    topics::{CUSTOMER_EVENTS, DEAD_LETTERS, SCORING_SUMMARIES, TIER_CHANGES},
};
use tiermesh_processing::{Processor, RunError};
use tiermesh_proto::v1::{Control, ControlCopy, CustomerEvent, LogicActivated, control, customer_event::Event};

use crate::{
    counting::{COUNTS, words},
    stage::Stage,
};

#[test]
fn a_corrupt_record_stops_its_partition_by_name_and_the_others_go_on() {
    let stage = Stage::new(2);
    stage.life(async |life| {
        // In one batch with those before and behind it.
        life.append(1, words(0..3)).await;
        life.append(1, vec![NewRecord { value: Bytes::from_static(b"\xffno word"), ..NewRecord::default() }]).await;
        life.append(1, words(3..6)).await;
        let service = life.serve();
        life.until("partition 1 stops", async || !life.health.troubles().is_empty()).await;
        let trouble = life.health.troubles().remove(0);
        assert!(trouble.contains("topic `customer.events`, partition 1, offset 4: corrupt"), "{trouble}");
        assert_eq!(life.saved_to(1).await, 4, "what stands before it is saved, and nothing beyond it");
        assert_eq!(stage.records(COUNTS, 1).len(), 4, "three words, one of them with an echo");

        life.append(0, words(0..3)).await;
        life.until_saved_to(0, 4).await;
        assert_eq!((life.health.waiting(), life.health.troubles()), (vec![], vec![trouble]));
        service.stop(life).await;
        assert_eq!(life.health.troubles(), [""; 0]);
    });
}

/// Scoring as its service runs it.
#[derive(Debug, Clone)]
struct ScoringProcessor;

impl Processor for ScoringProcessor {
    type Fold = Scoring;

    fn service(&self) -> &'static str {
        "scoring"
    }

    fn input(&self) -> &'static str {
        CUSTOMER_EVENTS.name
    }

    fn outputs(&self, partition: u32) -> Vec<(&'static str, u32)> {
        vec![(TIER_CHANGES.name, partition), (SCORING_SUMMARIES.name, 0), (DEAD_LETTERS.name, partition)]
    }

    fn fold(&self) -> Scoring {
        Scoring::new(1)
    }
}

fn logic(number: u64, logic: u32) -> NewRecord {
    let control =
        Some(Control { origin: None, control: Some(control::Control::LogicActivated(LogicActivated { logic })) });
    let event = CustomerEvent { event: Some(Event::Control(ControlCopy { number, control })) };
    NewRecord { value: event.encode_to_vec().into(), ..NewRecord::default() }
}

#[test]
fn logic_of_a_later_release_stops_the_service() {
    let stage = Stage::new(1);
    stage.life(async |life| {
        life.append(0, vec![logic(0, 1), logic(1, 7_000)]).await;
        let error = life.serve_as(ScoringProcessor).failure(life).await;
        assert!(
            matches!(error, RunError::Fold { error: FoldError::UnknownLogic { wanted: 7_000, .. }, .. }),
            "{error:?}"
        );
        let text = error.to_string();
        for part in ["customer.events", "partition 0, offset 2", "logic 7000", "upgrade"] {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
        assert_eq!(Arc::strong_count(&life.gate), 1, "the service let go of the log");
    });
}
