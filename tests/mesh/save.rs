//! A save is the whole truth: whoever loads it says, byte for byte, what who made it would have said.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use prost::Message;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tiermesh_domain::{
    fact,
    fold::Fold,
    rank::Coordinator,
    scoring::Scoring,
    signals::ChurnWarning,
    time::{DAY_MS, Millis},
};
use tiermesh_event_log::{Headers, Record};
use tiermesh_processing::{Engine, Outgoing};
use tiermesh_proto::v1::{Fact, Live, SourceBack, SourceQuiet, TierChange, control::Control};

use crate::{
    data::policy_text,
    generated::{self, History},
    stepped::Mesh,
};

const PARTITIONS: u32 = 2;
/// Every 10 s, as live ticks come.
const LIVE_TICK_MS: Millis = 10_000;

/// Policies and detectors in the order they come into force: new ones, new versions, by the same and by other metrics.
fn documents() -> Vec<String> {
    let abc = policy_text("abc");
    let version = |number: u32, days: u32| {
        let text = abc.replace("version = 1", &format!("version = {number}"));
        text.replace("window_days = 365", &format!("window_days = {days}"))
    };
    let by_orders = policy_text("pyramid").replace("\"pyramid\"", "\"by-orders\"").replace("net_sales", "orders");
    vec![
        abc.clone(),
        generated::reviewed_as("scorecard", "month", "immediately", "at-review", "UTC"),
        policy_text("loss-signals"),
        by_orders.replace("review = \"continuous\"", "review = \"day\""),
        version(2, 365),
        policy_text("pyramid"),
        policy_text("lifecycle"),
        version(3, 90),
        policy_text("loss-signals").replace("least_order_days = 2", "least_order_days = 3"),
        version(4, 365),
    ]
}

/// A mesh that lived through all kinds of records: facts (late ones, repeated ones, contradictions), ticks far apart,
/// policies and detectors in the middle of it, cut-points soon and late, the end of history, ticks every 10 s.
fn lived(history: &History, seed: u64) -> Mesh {
    let mut random = StdRng::seed_from_u64(seed);
    let mut mesh = Mesh::new(PARTITIONS);
    let mut documents = documents().into_iter();
    let mut facts = history.facts.clone();
    fact::sort(&mut facts);
    let live_from = facts.len() * 3 / 4;
    let mut now: Option<Millis> = None;
    for (number, fact) in facts.iter().take(live_from).enumerate() {
        if random.random_bool(0.25) {
            documents.next().inspect(|text| mesh.activate(text));
        }
        // The first facts come before any tick; some come late.
        if number > 3 && random.random_bool(0.4) {
            let tick = now.unwrap_or(fact.time_ms - DAY_MS) + random.random_range(1..30) * DAY_MS;
            let tick = if random.random_bool(0.5) { tick.max(fact.time_ms) } else { tick };
            mesh.tick(tick);
            now = Some(tick);
        }
        if random.random_bool(0.7) {
            mesh.copy_cut_points();
        }
        give(&mut mesh, &mut random, fact.clone());
        if random.random_bool(0.1) {
            mesh.control(quiet_or_back(&mut random, fact.time_ms));
        }
    }
    documents.by_ref().take(5).for_each(|text| mesh.activate(&text));
    mesh.copy_cut_points();
    mesh.control(Control::Live(Live {}));
    // Not at a boundary, and some boundaries are leapt over.
    let mut now = now.unwrap_or(history.until).div_euclid(60_000) * 60_000 + DAY_MS + 30_000;
    for fact in facts.iter().skip(live_from).take(12) {
        for _ in 0..random.random_range(1..4) {
            now += LIVE_TICK_MS * if random.random_bool(0.1) { 13 } else { 1 };
            mesh.tick(now);
            if random.random_bool(0.6) {
                mesh.copy_cut_points();
            }
        }
        documents.next().inspect(|text| mesh.activate(text));
        if random.random_bool(0.3) {
            mesh.control(quiet_or_back(&mut random, now));
        }
        let time_ms = now + random.random_range(-20_000..5_000);
        give(&mut mesh, &mut random, Fact { time_ms, ..fact.clone() });
    }
    mesh.tick(now + 400 * DAY_MS);
    mesh.copy_cut_points();
    mesh
}

/// One of the sources that generated facts come from goes quiet, or is back.
fn quiet_or_back(random: &mut StdRng, as_of_ms: Millis) -> Control {
    let source = if random.random() { "erp" } else { "shop" }.to_owned();
    match random.random() {
        true => Control::SourceQuiet(SourceQuiet { source, as_of_ms, ..SourceQuiet::default() }),
        false => Control::SourceBack(SourceBack { source, as_of_ms, ..SourceBack::default() }),
    }
}

fn give(mesh: &mut Mesh, random: &mut StdRng, fact: Fact) {
    mesh.fact(fact.clone());
    match random.random_range(0..12) {
        0 => mesh.fact(fact),
        1 => mesh.fact(Fact { time_ms: fact.time_ms + 1, ..fact }),
        _ => {}
    }
}

/// Messages as a log would hold them.
pub(crate) fn records<M: Message>(messages: &[M]) -> Vec<Record> {
    let record = |(offset, message): (u64, &M)| Record {
        offset,
        key: Bytes::new(),
        value: message.encode_to_vec().into(),
        headers: Headers::new(),
    };
    (1..).zip(messages).map(record).collect()
}

/// A run that nothing disturbed.
struct Undisturbed {
    said: Vec<Outgoing>,
    /// How much was said before each record, and after the last.
    said_before: Vec<usize>,
    snapshot: Vec<u8>,
}

struct Case<F> {
    what: &'static str,
    fold: fn() -> F,
    records: Vec<Record>,
}

impl<F: Fold> Case<F> {
    fn engine(&self) -> Engine<F> {
        Engine::new(self.what, 0, (self.fold)())
    }

    fn run(&self, engine: &mut Engine<F>, from: usize, to: usize) -> Vec<Outgoing> {
        let mut said = Vec::new();
        for record in &self.records[from..to] {
            engine.apply(record, &mut said).unwrap();
        }
        said
    }

    fn undisturbed(&self) -> Undisturbed {
        let mut engine = self.engine();
        let mut said = Vec::new();
        let mut said_before = vec![0];
        for record in &self.records {
            engine.apply(record, &mut said).unwrap();
            said_before.push(said.len());
        }
        Undisturbed { said, said_before, snapshot: engine.snapshot() }
    }

    fn load(&self, segments: &[Vec<u8>]) -> Engine<F> {
        let mut engine = self.engine();
        engine.load(segments).unwrap();
        engine
    }

    /// For every offset: a save made there, of a snapshot and up to two deltas, goes on as if nothing had happened.
    fn holds_at_every_offset(&self, random: &mut StdRng) -> Result<(), TestCaseError> {
        let undisturbed = self.undisturbed();
        for at in 0..=self.records.len() {
            let mut cuts: Vec<usize> = (0..at % 3).map(|_| random.random_range(0..=at)).collect();
            cuts.push(at);
            cuts.sort_unstable();
            let mut engine = self.engine();
            let mut segments: Vec<Vec<u8>> = Vec::new();
            let mut done = 0;
            for cut in &cuts {
                self.run(&mut engine, done, *cut);
                segments.push(if segments.is_empty() { engine.snapshot() } else { engine.delta().compress() });
                done = *cut;
            }
            let mut loaded = self.load(&segments);
            let said = self.run(&mut loaded, at, self.records.len());
            self.same(&format!("saved at {cuts:?}"), &said, &undisturbed.said[undisturbed.said_before[at]..])?;
            prop_assert!(loaded.snapshot() == undisturbed.snapshot, "{}, saved at {cuts:?}: another state", self.what);
        }
        Ok(())
    }

    /// Saved and loaded after each record; and saved after each record, by one who goes on.
    fn holds_when_saved_all_the_time(&self) -> Result<(), TestCaseError> {
        let undisturbed = self.undisturbed();
        let (mut restarted, mut lasting) = (self.engine(), self.engine());
        let mut segments = vec![restarted.snapshot()];
        let (mut said, mut told) = (Vec::new(), Vec::new());
        for (at, record) in self.records.iter().enumerate() {
            restarted = self.load(&segments);
            restarted.apply(record, &mut said).unwrap();
            lasting.apply(record, &mut told).unwrap();
            match at % 7 {
                6 => segments = vec![restarted.snapshot()],
                _ => segments.push(restarted.delta().compress()),
            }
            lasting.delta();
        }
        self.same("restarted at every record", &said, &undisturbed.said)?;
        self.same("saved at every record", &told, &undisturbed.said)?;
        prop_assert!(restarted.snapshot() == undisturbed.snapshot, "{}: restarted to another state", self.what);
        prop_assert!(lasting.snapshot() == undisturbed.snapshot, "{}: saving changed the state", self.what);
        Ok(())
    }

    fn same(&self, when: &str, said: &[Outgoing], expected: &[Outgoing]) -> Result<(), TestCaseError> {
        let differs = (0..said.len().max(expected.len())).find(|at| said.get(*at) != expected.get(*at));
        if let Some(at) = differs {
            let (said, expected) = (said.get(at), expected.get(at));
            let message = format!("{}, {when}, output {at}:\n  {said:?}\ninstead of\n  {expected:?}", self.what);
            return Err(TestCaseError::fail(message));
        }
        Ok(())
    }
}

/// The three folds, each with the records that it was given in a mesh that lived.
fn cases(mesh: &Mesh) -> (Case<Scoring>, Case<ChurnWarning>, Case<Coordinator>) {
    let events = records(mesh.events_of(0));
    (
        Case { what: "scoring", fold: || Scoring::new(PARTITIONS), records: events.clone() },
        Case { what: "churn-warning", fold: || ChurnWarning::new(PARTITIONS), records: events },
        Case { what: "cut-points", fold: Coordinator::default, records: records(&mesh.summaries) },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn whoever_loads_a_save_goes_on_as_its_maker_did(history in generated::history(), seed: u64) {
        let (scoring, churn_warning, coordinator) = cases(&lived(&history, seed));
        let random = &mut StdRng::seed_from_u64(seed);
        scoring.holds_at_every_offset(random)?;
        churn_warning.holds_at_every_offset(random)?;
        coordinator.holds_at_every_offset(random)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn saving_and_loading_after_every_record_changes_nothing(history in generated::history(), seed: u64) {
        let (scoring, churn_warning, coordinator) = cases(&lived(&history, seed));
        scoring.holds_when_saved_all_the_time()?;
        churn_warning.holds_when_saved_all_the_time()?;
        coordinator.holds_when_saved_all_the_time()?;
    }
}

/// What the properties above rest on: such histories lead to every kind of effect, and often.
#[test]
fn lived_histories_lead_to_everything() {
    let mut runner = TestRunner::deterministic();
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reviewed = 0;
    for seed in 0..10 {
        let history = generated::history().new_tree(&mut runner).unwrap().current();
        let (scoring, churn_warning, coordinator) = cases(&lived(&history, seed));
        for undisturbed in [scoring.undisturbed(), churn_warning.undisturbed(), coordinator.undisturbed()] {
            undisturbed.said.iter().for_each(|out| *told.entry(out.topic).or_default() += 1);
            let changes = undisturbed.said.iter().filter(|out| out.topic == "tier.changes");
            reviewed +=
                changes.filter(|out| TierChange::decode(&out.record.value[..]).unwrap().cause == "review").count();
        }
    }
    for topic in ["tier.changes", "churn.signals", "scoring.summaries", "control", "ingest.dead-letters"] {
        assert!(told.get(topic).is_some_and(|times| *times > 20), "{topic}: {told:?}");
    }
    assert!(reviewed > 20, "{reviewed}");
}
