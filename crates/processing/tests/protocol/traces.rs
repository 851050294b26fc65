//! Traces: what a record of a recorded trace leads to goes on in that trace, also when it is folded again; what time
//! leads to begins a trace that links to what it rests on; nothing of it changes what is said.

use std::sync::OnceLock;

use opentelemetry::{global, trace::SpanContext};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tiermesh_event_log::{NewRecord, Record};
use tiermesh_service_host::telemetry::{Sampling, TRACEPARENT, format, parse};

use crate::{
    counting::{COUNTS, INPUT, THIRDS, Word, words},
    stage::{Life, Stage},
};

/// Where every span of this process goes; a test looks for those of its own traces.
fn spans() -> &'static InMemorySpanExporter {
    static SPANS: OnceLock<InMemorySpanExporter> = OnceLock::new();
    SPANS.get_or_init(|| {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_sampler(Sampling::of(0.0));
        global::set_tracer_provider(provider.with_simple_exporter(spans.clone()).build());
        spans
    })
}

/// The spans of a trace, in the order they ended.
fn of_trace(trace: &SpanContext) -> Vec<SpanData> {
    let all = spans().get_finished_spans().unwrap();
    all.into_iter().filter(|span| span.span_context.trace_id() == trace.trace_id()).collect()
}

fn trace(number: u128, flags: &str) -> SpanContext {
    parse(&format!("00-{number:032x}-00000000000000aa-{flags}")).unwrap()
}

/// A word by that name, of that trace.
fn traced(word: &Word, id: &str, trace: Option<&SpanContext>) -> NewRecord {
    let mut record = word.record();
    record.headers.push("ce_id", id);
    if let Some(trace) = trace {
        record.headers.push(TRACEPARENT, &format(trace));
    }
    record
}

fn word(key: &str) -> Word {
    Word { key: key.to_owned(), ..Word::default() }
}

/// As a tick leads to something: the record is nobody's.
fn reminder(key: &str, rests_on: &[&str], trace: Option<&SpanContext>) -> NewRecord {
    let rests_on = rests_on.iter().map(ToString::to_string).collect();
    let word = Word { rests_on, ..word(key) };
    NewRecord { key: "".into(), ..traced(&word, "tick", trace) }
}

fn traceparent(record: &Record) -> Option<SpanContext> {
    record.header(TRACEPARENT).map(|value| parse(value).unwrap())
}

async fn say(stage: &Stage, life: &Life, records: Vec<NewRecord>) {
    let service = life.serve();
    life.append(0, records).await;
    life.until_saved_to(0, 1 + stage.records(INPUT, 0).len() as u64).await;
    service.stop(life).await;
}

#[test]
fn what_a_record_leads_to_goes_on_in_its_trace() {
    let (recorded, unrecorded, other) = (trace(0xA1, "01"), trace(0xA2, "00"), trace(0xA3, "01"));
    let _ = spans();
    let stage = Stage::new(1);
    let records = [Some(&recorded), Some(&unrecorded), None, Some(&other)];
    let records = (1..).zip(records).map(|(number, trace)| traced(&word("key"), &format!("e-{number}"), trace));
    stage.life(async |life| say(&stage, life, records.collect()).await);

    let [one] = &of_trace(&recorded)[..] else { panic!("a span for the record") };
    assert_eq!((one.name.as_ref(), one.parent_span_id), ("process customer.events", recorded.span_id()));
    let attribute =
        |name: &str| one.attributes.iter().find(|pair| pair.key.as_str() == name).unwrap().value.to_string();
    assert_eq!(attribute("messaging.message.id"), "e-1");
    assert_eq!(attribute("messaging.consumer.group.name"), "counting");
    assert_eq!(of_trace(&unrecorded).len(), 0);

    let said = stage.records(COUNTS, 0);
    let carried: Vec<Option<SpanContext>> = said.iter().map(traceparent).collect();
    let of = |trace: &SpanContext| Some(of_trace(trace)[0].span_context.span_id());
    assert_eq!(
        carried.iter().map(|trace| trace.as_ref().map(SpanContext::span_id)).collect::<Vec<_>>(),
        [of(&recorded), None, None, of(&other)]
    );
    // The third of them is also a signal; its record has no trace.
    assert_eq!(traceparent(&stage.records(THIRDS, 0)[0]), None);
}

#[test]
fn five_hundred_records_of_one_trace_and_of_as_many_keep_to_theirs() {
    let _ = spans();
    let stage = Stage::new(1);
    let shared = trace(0xB000, "01");
    let own = |number: u64| trace(0xB100 + u128::from(number), "01");
    let record = |number, trace: &SpanContext| traced(&word("key"), &format!("e-{number}"), Some(trace));
    let records = (0..500).map(|number| record(number, &shared));
    let records = records.chain((500..1_000).map(|number| record(number, &own(number))));
    stage.life(async |life| say(&stage, life, records.collect()).await);
    assert_eq!(of_trace(&shared).len(), 500);
    for (number, said) in (0..).zip(stage.records(COUNTS, 0)) {
        let expected = if number < 500 { shared.clone() } else { own(number) };
        assert_eq!(traceparent(&said).unwrap().trace_id(), expected.trace_id(), "{number}");
        assert!(number < 500 || of_trace(&expected).len() == 1);
    }
}

#[test]
fn what_is_folded_again_is_in_the_same_trace_again() {
    let recorded = trace(0xC1, "01");
    let _ = spans();
    let stage = Stage::new(1);
    stage.life(async |life| {
        // What isn't acknowledged isn't saved.
        let _held = life.log.hold_acks();
        let _service = life.serve();
        life.append(0, vec![traced(&word("key"), "e-1", Some(&recorded))]).await;
        life.until("it is said", async || stage.records(COUNTS, 0).len() == 1).await;
    });
    assert_eq!(of_trace(&recorded).len(), 1);
    stage.life(async |life| say(&stage, life, words(1..2)).await);
    let spans = of_trace(&recorded);
    assert_eq!(spans.len(), 2, "the record was to be folded again");
    assert_ne!(spans[0].span_context.span_id(), spans[1].span_context.span_id());
    // Not said again: it stood in the log, with the first span's context.
    let said = stage.records(COUNTS, 0);
    assert_eq!(said.len(), 2);
    assert_eq!(traceparent(&said[0]).unwrap().span_id(), spans[0].span_context.span_id());
}

#[test]
fn what_time_leads_to_links_to_the_facts_it_rests_on() {
    let (fact, tick, unrecorded) = (trace(0xD1, "01"), trace(0xD2, "00"), trace(0xD3, "00"));
    let _ = spans();
    let stage = Stage::new(1);
    let facts = vec![
        traced(&word("key"), "e-1", Some(&fact)),
        traced(&word("key"), "e-2", Some(&unrecorded)),
        traced(&word("other"), "e-1", None),
    ];
    stage.life(async |life| say(&stage, life, facts).await);
    // Another life: what is linked to was saved.
    let reminders = vec![
        reminder("key", &["e-2", "e-1"], Some(&tick)),
        reminder("key", &["e-2"], Some(&tick)),
        reminder("other", &["e-1"], None),
    ];
    stage.life(async |life| say(&stage, life, reminders).await);

    let said = &stage.records(COUNTS, 0)[3..];
    let root = traceparent(&said[0]).unwrap();
    assert!(![fact.trace_id(), tick.trace_id()].contains(&root.trace_id()), "it is a trace of its own");
    let [span] = &of_trace(&root)[..] else { panic!("a root that carries on") };
    assert_eq!((span.parent_span_id.to_bytes(), span.span_context.span_id()), ([0; 8], root.span_id()));
    let links: Vec<String> = span.links.iter().map(|link| format(&link.span_context)).collect();
    assert_eq!(links, [format(&tick), format(&fact)]);
    assert_eq!(said[1..].iter().map(traceparent).collect::<Vec<_>>(), [None, None], "nothing recorded: no trace");
}

#[test]
fn a_trace_changes_nothing_of_what_is_said() {
    let _ = spans();
    let said = |trace: Option<SpanContext>| {
        let stage = Stage::new(1);
        let mut records: Vec<NewRecord> =
            (0..30).map(|number| traced(&word("key"), &format!("e-{number}"), trace.as_ref())).collect();
        records.push(reminder("key", &["e-1"], trace.as_ref()));
        stage.life(async |life| say(&stage, life, records).await);
        let untraced = |record: Record| {
            let headers = record.headers.iter().filter(|(name, _)| *name != TRACEPARENT).collect();
            NewRecord { key: record.key, value: record.value, headers }
        };
        [COUNTS, THIRDS].map(|topic| stage.records(topic, 0).into_iter().map(untraced).collect::<Vec<_>>())
    };
    assert_eq!(said(None), said(Some(trace(0xE1, "01"))));
}
