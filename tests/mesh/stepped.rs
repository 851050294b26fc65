//! A mesh folded step by step, without a log: scoring and churn-warning for each partition, the coordinator over all.
//!
//! What each fold was given is kept in order: it is what the log of a real mesh would hold.

use tiermesh_domain::{
    fold::{Effect, Fold},
    hash::partition_of,
    policy::{self, Document},
    rank::Coordinator,
    scoring::{CustomerStanding, KNOWN_LOGIC, Scoring},
    signals::ChurnWarning,
    time::Millis,
};
use tiermesh_proto::v1::{
    Control, ControlCopy, CustomerEvent, DetectorsActivated, Fact, LogicActivated, LossSignal, Origin, PolicyActivated,
    Summary, Tick, TierChange, control, customer_event::Event,
};

pub(crate) struct Mesh {
    partitions: Vec<Partition>,
    coordinator: Coordinator,
    /// Summaries said so far, in an order that a log could hold.
    pub(crate) summaries: Vec<Summary>,
    /// Cut-points said and not copied to the partitions yet.
    pending: Vec<control::Control>,
    controls: u64,
    changes: Vec<TierChange>,
    signals: Vec<LossSignal>,
    pub(crate) conflicts: usize,
}

struct Partition {
    scoring: Scoring,
    churn_warning: ChurnWarning,
    events: Vec<CustomerEvent>,
    summaries: u64,
}

impl Mesh {
    /// A mesh with the newest logic activated.
    pub(crate) fn new(partitions: u32) -> Self {
        let partition = |_| Partition {
            scoring: Scoring::new(partitions),
            churn_warning: ChurnWarning::new(partitions),
            events: Vec::new(),
            summaries: 0,
        };
        let mut mesh = Self {
            partitions: (0..partitions).map(partition).collect(),
            coordinator: Coordinator::default(),
            summaries: Vec::new(),
            pending: Vec::new(),
            controls: 0,
            changes: Vec::new(),
            signals: Vec::new(),
            conflicts: 0,
        };
        mesh.control(control::Control::LogicActivated(LogicActivated { logic: *KNOWN_LOGIC.last().unwrap() }));
        mesh
    }

    /// A mesh with these policies and detectors in force.
    pub(crate) fn with(partitions: u32, documents: &[String]) -> Self {
        let mut mesh = Self::new(partitions);
        documents.iter().for_each(|text| mesh.activate(text));
        mesh
    }

    /// Puts a policy, or detectors, in force in every partition.
    pub(crate) fn activate(&mut self, text: &str) {
        let text = text.to_owned();
        self.control(match policy::parse(&text).unwrap() {
            Document::Tiers(_) => control::Control::PolicyActivated(PolicyActivated { text }),
            Document::Detectors(_) => control::Control::DetectorsActivated(DetectorsActivated { text }),
        });
    }

    /// Copies a control record to every partition.
    pub(crate) fn control(&mut self, control: control::Control) {
        let copy =
            ControlCopy { number: self.controls, control: Some(Control { origin: None, control: Some(control) }) };
        self.controls += 1;
        self.all(&Event::Control(copy));
    }

    /// Gives a fact to its customer's partition.
    pub(crate) fn fact(&mut self, fact: Fact) {
        let at = partition_of(&fact.subject, self.partitions.len() as u32);
        self.give(at as usize, Event::Fact(fact));
    }

    /// Ticks every partition. Cut-points that follow wait for [`Mesh::copy_cut_points`].
    pub(crate) fn tick(&mut self, time_ms: Millis) {
        self.all(&Event::Tick(Tick { time_ms }));
    }

    /// Copies the cut-points that were said meanwhile to every partition.
    pub(crate) fn copy_cut_points(&mut self) {
        for control in std::mem::take(&mut self.pending) {
            self.control(control);
        }
    }

    /// What a partition was given, in order.
    pub(crate) fn events_of(&self, partition: usize) -> &[CustomerEvent] {
        &self.partitions[partition].events
    }

    /// Everybody's standings, by customer and policy.
    pub(crate) fn standings(&self) -> Vec<CustomerStanding> {
        let mut all: Vec<_> = self.partitions.iter().flat_map(|partition| partition.scoring.standings()).collect();
        all.sort_by(|a, b| (&a.customer, &a.policy).cmp(&(&b.customer, &b.policy)));
        all
    }

    /// Every tier change, by (at, customer, programme, policy).
    pub(crate) fn changes(&self) -> Vec<TierChange> {
        let mut all = self.changes.clone();
        all.sort_by(|a, b| {
            (a.at_ms, &a.customer, &a.programme, &a.policy).cmp(&(b.at_ms, &b.customer, &b.programme, &b.policy))
        });
        all
    }

    /// Every signal, by (at, customer, detector).
    pub(crate) fn signals(&self) -> Vec<LossSignal> {
        let mut all = self.signals.clone();
        all.sort_by(|a, b| (a.at_ms, &a.customer, &a.detector).cmp(&(b.at_ms, &b.customer, &b.detector)));
        all
    }

    fn all(&mut self, event: &Event) {
        for at in 0..self.partitions.len() {
            self.give(at, event.clone());
        }
    }

    fn give(&mut self, at: usize, event: Event) {
        let partition = &mut self.partitions[at];
        let event = CustomerEvent { event: Some(event) };
        let mut effects = Vec::new();
        partition.scoring.apply(&event, &mut effects).unwrap();
        partition.churn_warning.apply(&event, &mut effects).unwrap();
        partition.events.push(event);
        effects.sort_by(|a, b| a.canonical_key().cmp(&b.canonical_key()));
        for effect in effects {
            match effect {
                Effect::TierChanged(change) => self.changes.push(*change),
                Effect::SignalChanged(signal) => self.signals.push(*signal),
                Effect::Conflict(_) => self.conflicts += 1,
                Effect::Control(_) => panic!("a partition said a control record"),
                Effect::Summary(mut summary) => {
                    let partition = &mut self.partitions[at];
                    partition.summaries += 1;
                    let (service, sequence) = ("scoring".to_owned(), partition.summaries);
                    let offset = partition.events.len() as u64;
                    summary.origin = Some(Origin { service, partition: at as u32, offset, sequence });
                    self.summarise(summary);
                }
            }
        }
    }

    fn summarise(&mut self, summary: Summary) {
        let mut effects = Vec::new();
        self.coordinator.apply(&summary, &mut effects).unwrap();
        self.summaries.push(summary);
        for effect in effects {
            let Effect::Control(Control { control: Some(control), .. }) = effect else {
                panic!("the coordinator says cut-points and nothing else, not {effect:?}");
            };
            self.pending.push(control);
        }
    }
}
