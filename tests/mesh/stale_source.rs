//! A source that goes quiet: nothing that rests on absence is said of its customers until it is back, and then what holds.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::json;
use tiermesh_batch::{Quiet, signals_with_quiet_sources};
use tiermesh_domain::{
    explain::CustomerFold,
    fact::{self, parse_cloud_event},
    policy::Document,
    rank::Coordinator,
    time::{DAY_MS, Millis, Zone, format_instant, parse_instant},
};
use tiermesh_event_log::{
    EventLog, NewRecord,
    memory::MemoryLog,
    topics::{self, CONTROL},
};
use tiermesh_notification::{Args, Notification, Settings};
use tiermesh_processing::{Engine, Outgoing};
use tiermesh_proto::v1::{
    self, ControlCopy, CustomerEvent, Fact, Live, LogicActivated, LossSignal, SourceBack, SourceQuiet,
    control::Control, customer_event::Event,
};
use tiermesh_service_host::Health;
use tiermesh_store::SaveStore;
use tokio_util::sync::CancellationToken;

use crate::{data::policy_text, generated, mesh_process::PATIENCE, receiver::Receiver, save::records, stepped::Mesh};

const MINUTE_MS: Millis = 60_000;

fn day(number: i64) -> Millis {
    parse_instant("2026-01-01T00:00:00Z").unwrap() + number * DAY_MS
}

fn order(source: &str, customer: &str, time: Millis) -> Fact {
    let id = format!("{customer}-{time}");
    let event = json!({
        "specversion": "1.0", "type": "tiermesh.order.placed", "id": id, "source": source, "subject": customer,
        "time": format_instant(time), "data": {"order_id": id, "amount": "10.00", "currency": "GBP"},
    });
    parse_cloud_event(event.to_string().as_bytes()).unwrap().fact
}

/// History until then; live from then on.
const LIVE: i64 = 120;
/// The shop's last facts come on this day, at ten.
const LAST: i64 = 121;
/// And then again three days later: three times its longest pause.
const RETURN: i64 = 124;
const END: i64 = 128;
const TEN: Millis = 10 * 3_600_000;

/// When it is found quiet. A fact at ten is taken in before the tick of ten.
fn found() -> Millis {
    day(LAST) + TEN + DAY_MS * 3 / 2 + MINUTE_MS
}

/// When it is told to be back.
fn back() -> Millis {
    day(RETURN) + TEN + 60 * MINUTE_MS
}

/// Orders with the instant at which they reach the mesh. Each source has ten customers who order every tenth day at
/// ten, and so sends every day; one who stops on day 93; and one who doesn't order from day 93 until day 122, and always
/// at noon.
fn facts(outage: bool) -> Vec<(Millis, Fact)> {
    let mut facts = Vec::new();
    for source in ["shop", "erp"] {
        for number in 0..END {
            let time = day(number) + TEN;
            let mut customers = vec![(format!("{source}-{}", number % 10), time)];
            let stops = number % 10 == 3 && number <= 93;
            customers.extend(stops.then(|| (format!("{source}-stops"), time)));
            customers.extend((stops || number == 122).then(|| (format!("{source}-pauses"), time + 2 * 3_600_000)));
            for (customer, time) in customers {
                let kept_back = outage && source == "shop" && (LAST + 1..RETURN).contains(&number);
                let arrives = if kept_back { day(RETURN) + TEN } else { time };
                facts.push((arrives, order(source, &customer, time)));
            }
        }
    }
    facts.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| fact::order_key(x).cmp(&fact::order_key(y))));
    facts
}

/// History day by day, then live minute by minute.
fn run(outage: bool) -> Mesh {
    // A relative policy, so that history has boundaries.
    let mut mesh = Mesh::with(3, &[policy_text("abc"), policy_text("loss-signals")]);
    let mut facts = facts(outage).into_iter().peekable();
    let live = (0..(END - LIVE) * 1_440).map(|minute| day(LIVE) + (minute + 1) * MINUTE_MS);
    for tick in (1..=LIVE).map(day).chain(live) {
        while let Some((_, fact)) = facts.next_if(|(arrives, _)| *arrives <= tick) {
            mesh.fact(fact);
        }
        mesh.tick(tick);
        mesh.copy_cut_points();
        if tick == day(LIVE) {
            mesh.control(Control::Live(Live {}));
        }
    }
    mesh
}

/// What a partition was told of sources.
fn told_of_sources(mesh: &Mesh, partition: usize) -> Vec<Control> {
    let controls = mesh.events_of(partition).iter().filter_map(|event: &CustomerEvent| match &event.event {
        Some(Event::Control(copy)) => copy.control.as_ref()?.control.clone(),
        _ => None,
    });
    controls.filter(|control| matches!(control, Control::SourceQuiet(_) | Control::SourceBack(_))).collect()
}

fn row(signal: &LossSignal) -> (String, String, String) {
    (signal.customer.clone(), signal.detector.clone(), signal.state.clone())
}

#[test]
fn an_outage_of_three_pauses_says_nothing_false_and_leaves_nothing_out() {
    let (calm, outage) = (run(false), run(true));
    for partition in 0..3 {
        assert_eq!(told_of_sources(&calm, partition), []);
    }
    let (found, back) = (found(), back());
    let expected = [
        Control::SourceQuiet(SourceQuiet {
            source: "shop".to_owned(),
            as_of_ms: found,
            last_seen_ms: day(LAST) + TEN,
            longest_pause_ms: DAY_MS,
        }),
        Control::SourceBack(SourceBack {
            source: "shop".to_owned(),
            as_of_ms: back,
            quiet_since_ms: day(LAST) + TEN,
            given_up: false,
        }),
    ];
    for partition in 0..3 {
        assert_eq!(told_of_sources(&outage, partition), expected, "in partition {partition}");
    }

    let signals = outage.signals();
    let in_between: Vec<_> = signals.iter().filter(|s| s.at_ms > found && s.at_ms < back).map(row).collect();
    assert!(in_between.iter().all(|(customer, ..)| customer.starts_with("erp")), "{in_between:?}");
    let silent = |customer: &str| -> Vec<(Millis, String)> {
        let all = signals.iter().filter(|s| s.customer == customer && s.detector == "silence");
        all.map(|s| (s.at_ms, s.state.clone())).collect()
    };
    assert_eq!(silent("erp-stops"), [(day(124), "raised".to_owned())], "while the shop was quiet");
    assert_eq!(silent("shop-stops"), [(back, "raised".to_owned())], "it holds");
    assert_eq!(silent("shop-pauses"), [], "its order was among what the shop kept back");

    // The same signals as if the shop had never paused; those of others at the same instants.
    let rows = |mesh: &Mesh| {
        let mut rows: Vec<_> = mesh.signals().iter().filter(|s| s.state != "updated").map(row).collect();
        rows.sort();
        rows
    };
    assert_eq!(rows(&outage), rows(&calm));
    let of_erp = |mesh: &Mesh| -> Vec<LossSignal> {
        mesh.signals().into_iter().filter(|s| s.customer.starts_with("erp")).collect()
    };
    assert_eq!(of_erp(&outage), of_erp(&calm));
}

/// What the service writes to `control` over that run; and what a successor writes, who takes over in the middle of the
/// outage.
fn written_to_control() -> (Vec<Outgoing>, Vec<Outgoing>) {
    let mesh = run(true);
    let summaries = records(&mesh.summaries);
    let engine = || Engine::new("cut-points", 0, Coordinator::default());
    let take_over = mesh.summaries.partition_point(|summary| summary.boundary_ms < day(RETURN));
    let (mut first, mut said, mut again) = (engine(), Vec::new(), Vec::new());
    summaries[..take_over].iter().for_each(|record| first.apply(record, &mut said).unwrap());
    let mut successor = engine();
    successor.load(&[first.snapshot()]).unwrap();
    for record in &summaries[take_over..] {
        first.apply(record, &mut said).unwrap();
        successor.apply(record, &mut again).unwrap();
    }
    (said, again)
}

/// As the service says it: numbered among the cut-points, of a type of its own; and a successor says the same.
#[test]
fn what_is_said_of_sources_is_numbered_and_saved() {
    let (said, again) = written_to_control();
    let sequences: Vec<u64> = said.iter().map(|out| out.sequence).collect();
    assert_eq!(sequences, (1..=said.len() as u64).collect::<Vec<_>>());
    let of_sources: Vec<&Outgoing> = said.iter().filter(|out| &out.record.key[..] == b"sources").collect();
    let kinds: Vec<&str> = of_sources.iter().filter_map(|out| out.record.headers.get("ce_type")).collect();
    assert_eq!(kinds, ["tiermesh.source.quiet", "tiermesh.source.back"]);
    assert!(of_sources.iter().all(|out| out.topic == "control" && out.partition == 0));

    assert!(said.ends_with(&again), "the successor says something else");
    assert!(again.iter().any(|out| &out.record.key[..] == b"sources"), "it says that the shop is back");
}

/// From the facts to whoever runs the mesh: one message that the shop is quiet, one that it is back, though a deposed
/// owner and its successor both wrote of it.
#[test]
fn operations_get_one_message_when_a_source_goes_quiet_and_one_when_it_is_back() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (said, again) = written_to_control();
    let records: Vec<NewRecord> = said.into_iter().chain(again).map(|out| out.record).collect();
    let receiver = Receiver::start(SECRET);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("routes.toml");
    let webhook = format!("webhook = {{ url = \"{}\", secret = \"{SECRET}\" }}", receiver.url());
    // The year of the test isn't ours.
    let routes =
        format!("stale_after_hours = 87600\n[[routes]]\nname = \"operations\"\nwhat = \"operations\"\n{webhook}\n");
    std::fs::write(&file, routes).unwrap();
    let routes = Args { routes: Some(file) }.routes().unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let log = MemoryLog::with_topics(&topics::all(3));
        log.producer("a test").await.unwrap().send(CONTROL.name, 0, records).await.unwrap().await.unwrap();
        let store = format!("sqlite://{}", directory.path().join("store.db").display());
        let store = SaveStore::open(&store).await.unwrap();
        let (health, stop) = (Health::default(), CancellationToken::new());
        let shared: Arc<dyn EventLog> = Arc::new(log.clone());
        let notification =
            Notification::open(shared, store.clone(), routes, Settings::default(), &health).await.unwrap();
        let running = tokio::spawn(notification.run(stop.clone()));
        let end = log.extent(CONTROL.name, 0).await.unwrap().end;
        let taken = async || store.place("notification", CONTROL.name, 0).await.unwrap();
        tokio::time::timeout(PATIENCE, async {
            while taken().await.is_none_or(|place| place.next_offset < end) || receiver.accepted().len() < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("all of `control` is taken, and told of");
        // What is owed is attempted before it ends.
        stop.cancel();
        running.await.unwrap().unwrap();
    });
    let told: Vec<(String, String, String)> = receiver
        .bodies()
        .iter()
        .map(|body| {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(&body["type"]), text(&body["data"]["source"]), text(&body["timestamp"]))
        })
        .collect();
    let of_shop = |kind: &str, at: Millis| (kind.to_owned(), "shop".to_owned(), format_instant(at));
    assert_eq!(told, [of_shop("tiermesh.source.back", back()), of_shop("tiermesh.source.quiet", found())]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever is quiet whenever: what is held back, what ends, and what is said after all is what the batch says.
    #[test]
    fn quiet_sources_hold_back_what_the_batch_holds_back(
        history in generated::history(),
        spans in proptest::collection::vec((0_usize..900, 0_usize..300), 2),
    ) {
        let text = policy_text("loss-signals");
        let Document::Detectors(settings) = tiermesh_domain::policy::parse(&text).unwrap() else { unreachable!() };
        let mut facts: Vec<Fact> = history.facts.iter().filter(|fact| fact.time_ms <= history.until).cloned().collect();
        fact::sort(&mut facts);
        let Some(first) = facts.first().map(|fact| fact.time_ms) else { return Ok(()) };
        let mut ticks = vec![Zone::utc().next_midnight(first)];
        while ticks[ticks.len() - 1] < history.until {
            ticks.push(ticks[ticks.len() - 1] + DAY_MS);
        }
        let end = ticks.len() - 1;
        ticks[end] = history.until;
        let at = |number: usize| ticks[number.min(end)];
        let quiet: Vec<Quiet> = ["erp", "shop"]
            .iter()
            .zip(spans)
            .map(|(source, (from, length))| Quiet {
                source: (*source).to_owned(),
                from: at(from),
                until: at(from + length),
            })
            .filter(|quiet| quiet.from < quiet.until)
            .collect();

        let mut mesh = Mesh::with(3, &[text]);
        let mut coming = facts.into_iter().peekable();
        for tick in &ticks {
            while let Some(fact) = coming.next_if(|fact| fact.time_ms <= *tick) {
                mesh.fact(fact);
            }
            mesh.tick(*tick);
            for quiet in quiet.iter().filter(|quiet| quiet.from == *tick) {
                let source = quiet.source.clone();
                mesh.control(Control::SourceQuiet(SourceQuiet { source, ..SourceQuiet::default() }));
            }
            for quiet in quiet.iter().filter(|quiet| quiet.until == *tick) {
                let source = quiet.source.clone();
                mesh.control(Control::SourceBack(SourceBack { source, ..SourceBack::default() }));
            }
        }
        let folded: Vec<_> = mesh
            .signals()
            .into_iter()
            .filter(|signal| signal.state != "updated")
            .map(|s| (s.at_ms, s.customer, s.detector, s.state, s.observed, s.window_days))
            .collect();
        let batch: Vec<_> = signals_with_quiet_sources(&history.facts, &settings, history.until, &quiet)
            .into_iter()
            .map(|s| (s.at, s.customer, s.detector.to_owned(), s.state.name().to_owned(), s.observed, s.window_days))
            .collect();
        prop_assert_eq!(folded, batch);
    }
}

/// What the property above rests on: quiet sources do change what is said.
#[test]
fn quiet_sources_change_what_is_said() {
    let text = policy_text("loss-signals");
    let Document::Detectors(settings) = tiermesh_domain::policy::parse(&text).unwrap() else { unreachable!() };
    let facts: Vec<Fact> = (0..40).map(|number| order("shop", "c", day(number * 3))).collect();
    let until = day(400);
    let quiet = [Quiet { source: "shop".to_owned(), from: day(130), until: day(300) }];
    let said = |quiet: &[Quiet]| -> BTreeMap<(&str, &str), Millis> {
        let signals = signals_with_quiet_sources(&facts, &settings, until, quiet);
        signals.into_iter().map(|s| ((s.detector, s.state.name()), s.at)).collect()
    };
    let (calm, held_back) = (said(&[]), said(&quiet));
    assert!(calm[&("silence", "raised")] < day(300));
    assert_eq!(held_back[&("silence", "raised")], day(300));
    assert_eq!(calm.keys().collect::<Vec<_>>(), held_back.keys().collect::<Vec<_>>());
}

#[test]
fn an_explanation_names_the_quiet_source() {
    let mut fold = CustomerFold::new(1, "c");
    let mut number = 0;
    let mut take = |fold: &mut CustomerFold, event: Event| {
        number += 1;
        let event = match event {
            Event::Control(copy) => Event::Control(ControlCopy { number, ..copy }),
            other => other,
        };
        fold.take(&CustomerEvent { event: Some(event) }).unwrap();
    };
    let control = |control| {
        Event::Control(ControlCopy { number: 0, control: Some(v1::Control { origin: None, control: Some(control) }) })
    };
    take(&mut fold, control(Control::LogicActivated(LogicActivated { logic: 1 })));
    for (source, customer) in [("shop", "c"), ("erp", "d")] {
        take(&mut fold, Event::Fact(order(source, customer, day(0))));
        take(
            &mut fold,
            control(Control::SourceQuiet(SourceQuiet { source: source.to_owned(), ..SourceQuiet::default() })),
        );
    }
    assert_eq!(fold.explanation().quiet_sources, ["shop"]);
    take(&mut fold, control(Control::SourceBack(SourceBack { source: "shop".to_owned(), ..SourceBack::default() })));
    assert!(fold.explanation().quiet_sources.is_empty());
}
