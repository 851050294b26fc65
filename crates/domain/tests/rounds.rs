//! Saves made of rounds of deltas: from the beginning of the last complete round on, they are the whole truth.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use proptest::prelude::*;
use prost::Message;
use tiermesh_domain::{
    fold::{Effect, Fold},
    scoring::Scoring,
    signals::ChurnWarning,
};
use tiermesh_proto::v1::{
    Control, ControlCopy, CustomerEvent, DetectorsActivated, Fact, Interaction, LogicActivated, Order, OrderRef,
    PolicyActivated, Tick, control, customer_event::Event, fact::Data,
};

const DAY_MS: i64 = 86_400_000;

fn control(number: u64, control: control::Control) -> CustomerEvent {
    let control = Some(Control { origin: None, control: Some(control) });
    CustomerEvent { event: Some(Event::Control(ControlCopy { number, control })) }
}

fn beginning() -> Vec<CustomerEvent> {
    let text = |text: &str| PolicyActivated { text: text.to_owned() };
    vec![
        control(1, control::Control::LogicActivated(LogicActivated { logic: 1 })),
        control(2, control::Control::PolicyActivated(text(include_str!("../../../policies/scorecard.toml")))),
        control(3, control::Control::PolicyActivated(text(include_str!("../../../policies/abc.toml")))),
        control(
            4,
            control::Control::DetectorsActivated(DetectorsActivated {
                text: include_str!("../../../policies/loss-signals.toml").to_owned(),
            }),
        ),
    ]
}

/// The n-th record: mostly orders, by very many customers, now and then a tick.
fn record(number: u64, customers: u64) -> CustomerEvent {
    // Any scattering will do.
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let time_ms = number as i64 * DAY_MS / 20;
    if number % 150 == 149 {
        return CustomerEvent { event: Some(Event::Tick(Tick { time_ms })) };
    }
    let subject = format!("customer-{}", (mixed >> 40) % customers);
    let order_id = format!("order-{number}");
    let data = match (mixed >> 20) % 16 {
        0 => Data::InteractionRecorded(Interaction::default()),
        1 => Data::OrderCancelled(OrderRef { order_id }),
        _ => Data::OrderPlaced(Order {
            order_id,
            amount_minor: (mixed >> 30) as i64 & 0xffff,
            currency: "GBP".to_owned(),
            ..Order::default()
        }),
    };
    let fact = Fact {
        source: "shop".to_owned(),
        id: format!("e-{number}"),
        subject,
        time_ms,
        data: Some(data),
        ..Fact::default()
    };
    CustomerEvent { event: Some(Event::Fact(fact)) }
}

/// The segments that a store holds.
#[derive(Default)]
struct Save {
    segments: Vec<Vec<u8>>,
    of_round: usize,
    rounds: usize,
}

impl Save {
    fn add<F: Fold>(&mut self, fold: &mut F) {
        let packed = fold.delta();
        self.segments.push(packed.bytes);
        self.of_round += 1;
        if packed.round_complete {
            self.segments.drain(..self.segments.len() - self.of_round);
            self.of_round = 0;
            self.rounds += 1;
        }
    }
}

/// Folds a record from its bytes where that can be done without decoding it.
fn as_it_stands<F: Fold<Input = CustomerEvent>>(fold: &mut F, event: &CustomerEvent, said: &mut Vec<Effect>) {
    let folded = fold.apply_encoded(&event.encode_to_vec(), said);
    let is_order = matches!(&event.event, Some(Event::Fact(Fact { data: Some(Data::OrderPlaced(_)), .. })));
    assert_eq!(folded.is_some(), is_order, "{event:?}");
    folded.unwrap_or_else(|| fold.apply(event, said)).unwrap();
}

/// Folds, saving after so many records each time, with a restart where it is said; compares with who never saved.
fn holds<F: Fold<Input = CustomerEvent>>(
    new: fn() -> F,
    customers: u64,
    steps: &[(u64, bool)],
) -> Result<usize, TestCaseError> {
    let (mut undisturbed, mut fold, mut save) = (new(), new(), Save::default());
    let (mut said, mut expected) = (Vec::new(), Vec::new());
    for event in beginning() {
        undisturbed.apply(&event, &mut expected).unwrap();
        fold.apply(&event, &mut said).unwrap();
    }
    let mut number = 0;
    for (records, restarts) in steps {
        for _ in 0..*records {
            let event = record(number, customers);
            number += 1;
            undisturbed.apply(&event, &mut expected).unwrap();
            as_it_stands(&mut fold, &event, &mut said);
        }
        save.add(&mut fold);
        let mut loaded = new();
        loaded.load(&save.segments).unwrap();
        if *restarts {
            fold = loaded;
            save.of_round = 0;
        } else {
            prop_assert!(loaded.snapshot() == undisturbed.snapshot(), "after {number} records");
        }
    }
    prop_assert!(said == expected);
    prop_assert!(fold.snapshot() == undisturbed.snapshot());
    Ok(save.rounds)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_save_of_rounds_is_the_whole_truth(
        steps in proptest::collection::vec((1_u64..700, proptest::bool::weighted(0.15)), 8..30),
        customers in prop_oneof![Just(20_u64), Just(2_500)],
    ) {
        holds(|| Scoring::new(1), customers, &steps)?;
        holds(|| ChurnWarning::new(1), customers, &steps)?;
    }
}

#[test]
fn rounds_end_also_while_hardly_anything_changes() {
    let mut steps = vec![(6_000, false)];
    steps.extend([(1, false); 40]);
    let rounds = holds(|| Scoring::new(1), 5_000, &steps).unwrap();
    assert!((2..20).contains(&rounds), "{rounds}");
}
