//! Two logics side by side: what a signal names, before the activation and behind it.

use tiermesh_proto::v1::{
    ComplaintOpened, ComplaintStep, Control, ControlCopy, CustomerEvent, DetectorsActivated, Fact, LogicActivated,
    LossSignal, Order, OrderRef, Tick, control, customer_event::Event, fact::Data,
};

use super::MOST_EVENTS;
use crate::{
    fold::{Effect, Fold, FoldError},
    scoring::KNOWN_LOGIC,
    signals::ChurnWarning,
    time::{DAY_MS, Millis, parse_instant},
};

fn at(text: &str) -> Millis {
    parse_instant(text).unwrap()
}

fn control(number: u64, control: control::Control) -> Event {
    Event::Control(ControlCopy { number, control: Some(Control { origin: None, control: Some(control) }) })
}

fn activated(number: u64, logic: u32) -> Event {
    control(number, control::Control::LogicActivated(LogicActivated { logic }))
}

fn detectors(number: u64) -> Event {
    let text = include_str!("../../../../../policies/loss-signals.toml").to_owned();
    control(number, control::Control::DetectorsActivated(DetectorsActivated { text }))
}

fn fact(id: &str, time_ms: Millis, data: Data) -> Event {
    let (source, subject) = ("shop".to_owned(), "juniper".to_owned());
    Event::Fact(Fact { id: id.to_owned(), source, subject, time_ms, data: Some(data), ..Fact::default() })
}

fn order(id: &str, time_ms: Millis) -> Event {
    let order = Order { order_id: id.to_owned(), amount_minor: 100, currency: "GBP".to_owned(), ..Order::default() };
    fact(&format!("e-{id}"), time_ms, Data::OrderPlaced(order))
}

fn complaint(id: &str, category: &str, time_ms: Millis) -> [Event; 2] {
    let opened =
        ComplaintOpened { complaint_id: id.to_owned(), category: category.to_owned(), ..ComplaintOpened::default() };
    let closed = ComplaintStep { complaint_id: id.to_owned(), ..ComplaintStep::default() };
    [
        fact(&format!("e-{id}"), time_ms, Data::ComplaintOpened(opened)),
        fact(&format!("closed-{id}"), time_ms + 1, Data::ComplaintClosed(closed)),
    ]
}

fn tick(time_ms: Millis) -> Event {
    Event::Tick(Tick { time_ms })
}

fn take(fold: &mut ChurnWarning, events: impl IntoIterator<Item = Event>) -> Vec<LossSignal> {
    let mut effects = Vec::new();
    for event in events {
        fold.apply(&CustomerEvent { event: Some(event) }, &mut effects).unwrap();
    }
    let signals = effects.into_iter().filter_map(|effect| match effect {
        Effect::SignalChanged(signal) => Some(*signal),
        _ => None,
    });
    signals.collect()
}

/// The example of the documentation: an order every Friday from 2025-01-03 to 2026-05-01, the last of them cancelled
/// and placed anew.
fn fridays() -> Vec<Event> {
    let (first, last) = (at("2025-01-03T14:00:00Z"), at("2026-05-01T14:00:00Z"));
    let orders = (first..=last).step_by(7 * DAY_MS as usize);
    let orders = (1..).zip(orders).map(|(number, time)| order(&format!("o-{number:03}"), time));
    let cancelled = [
        order("o-none", last + 1),
        fact("e-cancel", last + 2, Data::OrderCancelled(OrderRef { order_id: "o-none".to_owned() })),
    ];
    orders.chain(cancelled).collect()
}

fn folded(logic: u32, events: impl IntoIterator<Item = Event>) -> Vec<LossSignal> {
    take(&mut ChurnWarning::new(1), [activated(1, logic), detectors(2)].into_iter().chain(events))
}

fn named(signal: &LossSignal) -> Vec<&str> {
    signal.events.iter().map(String::as_str).collect()
}

#[test]
fn an_absence_names_the_orders_it_is_held_against() {
    let told = folded(2, fridays().into_iter().chain([tick(at("2026-06-01T00:00:00Z"))]));
    let [drop, silence] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((drop.detector.as_str(), drop.observed, drop.window_days), ("frequency_drop", 0, Some(30)));
    assert_eq!((drop.logic, drop.event_count), (2, 53), "the 53 Fridays of the baseline, not the cancelled order");
    assert_eq!(drop.events.len(), MOST_EVENTS);
    assert_eq!((drop.events[0].as_str(), drop.events[19].as_str()), ("e-o-070", "e-o-051"), "the latest first");
    assert_eq!((silence.detector.as_str(), silence.event_count), ("silence", 70), "the whole pace");
    assert_eq!(silence.events, drop.events);
}

#[test]
fn a_rise_names_the_complaints_that_are_counted() {
    let day = |day: u32| at(&format!("2026-04-{day:02}T09:00:00Z"));
    let mut events = fridays();
    events.push(tick(at("2026-04-14T00:00:00Z")));
    // One long before the window, and of two at the same instant the one that comes first in the log has the later id.
    for (id, category, time) in [
        ("k-0", "other", at("2025-12-01T09:00:00Z")),
        ("k-1", "price", day(10)),
        ("k-3", "quality", day(12)),
        ("k-2", "service", day(12)),
    ] {
        events.extend(complaint(id, category, time));
    }
    let told = folded(2, events);
    let rises: Vec<_> = told.iter().filter(|signal| signal.detector == "complaint_rise").collect();
    let states: Vec<_> = rises.iter().map(|signal| (signal.state.as_str(), signal.observed)).collect();
    assert_eq!(states, [("raised", 2), ("updated", 3)]);
    assert_eq!((named(rises[0]), rises[0].event_count), (vec!["e-k-3", "e-k-1"], 2));
    assert_eq!((named(rises[1]), rises[1].event_count), (vec!["e-k-2", "e-k-3", "e-k-1"], 3));
}

#[test]
fn the_first_logic_names_the_last_order_only_and_all_else_is_the_same() {
    let events: Vec<Event> = fridays().into_iter().chain([tick(at("2026-06-01T00:00:00Z"))]).collect();
    let (first, second) = (folded(1, events.clone()), folded(2, events));
    assert_eq!((first.len(), second.len()), (2, 2));
    for (first, second) in first.iter().zip(second) {
        // Cancelled or not: so it was.
        assert_eq!((named(first), first.event_count, first.logic), (vec!["e-o-none"], 0, 0));
        let events = first.events.clone();
        assert_eq!(*first, LossSignal { events, event_count: 0, logic: 0, ..second });
    }
}

#[test]
fn the_activation_counts_from_its_own_record_on_and_is_saved() {
    let mut fold = ChurnWarning::new(1);
    let before = [activated(1, 1), detectors(2)].into_iter().chain(fridays());
    let told = take(&mut fold, before.chain([tick(at("2026-06-01T00:00:00Z"))]));
    assert_eq!(told.iter().map(|signal| signal.logic).collect::<Vec<_>>(), [0, 0]);
    // The late word of an overtaken writer comes behind it.
    assert_eq!(take(&mut fold, [activated(3, 2), activated(4, 1)]), [], "the activation itself says nothing");
    let mut loaded = ChurnWarning::new(1);
    loaded.load(&[fold.snapshot()]).unwrap();
    for fold in [&mut fold, &mut loaded] {
        let told = take(fold, [order("o-back", at("2026-06-02T09:00:00Z"))]);
        let told = told.iter().map(|signal| (signal.detector.as_str(), signal.state.as_str(), signal.logic));
        assert_eq!(told.collect::<Vec<_>>(), [("frequency_drop", "updated", 2), ("silence", "cleared", 2)]);
    }
}

#[test]
fn an_unknown_logic_stops_the_fold_and_harms_nothing() {
    let newest = KNOWN_LOGIC[KNOWN_LOGIC.len() - 1];
    let mut fold = ChurnWarning::new(1);
    take(&mut fold, [activated(1, 1), detectors(2)].into_iter().chain(fridays()));
    let mut previous = ChurnWarning::new(1).knowing(&[1]);
    previous.load(&[fold.snapshot()]).unwrap();
    let before = previous.snapshot();
    let record = CustomerEvent { event: Some(activated(3, newest)) };
    let unknown = Err(FoldError::UnknownLogic { wanted: newest, known: vec![1] });
    assert_eq!(previous.apply(&record, &mut Vec::new()), unknown);
    assert_eq!(previous.snapshot(), before, "still as of the record before");

    // And whoever comes after one that knew it, to that one's save.
    fold.apply(&record, &mut Vec::new()).unwrap();
    assert_eq!(ChurnWarning::new(1).knowing(&[1]).load(&[fold.snapshot()]), unknown);
}
