//! A history as the log holds it: orders by partition, and what the mesh puts between them: logic, policies, a tick at
//! each midnight, and behind it the cut-points that all partitions hold as of then.
//!
//! It is what `tiermesh send --history` would have written. Only folding along tells the cut-points: whoever takes the
//! records folds them, and hands back the summaries that follow.

use tiermesh_domain::{
    fold::{Effect, Fold},
    hash::partition_of,
    rank::Coordinator,
    scoring::KNOWN_LOGIC,
    time::DAY_MS,
};
use tiermesh_proto::v1::{
    Control, ControlCopy, CustomerEvent, LogicActivated, PolicyActivated, Summary, Tick, control, customer_event::Event,
};

use crate::{
    Failure,
    orders::{Orders, Plan, START},
};

/// The policies in force in every benchmark: scores from running sums, and tiers relative to everybody else.
pub const POLICIES: [&str; 2] =
    [include_str!("../../policies/scorecard.toml"), include_str!("../../policies/abc.toml")];

/// Who takes the records.
pub trait Partitions {
    /// Takes in a record; the numbered summaries that follow are added.
    ///
    /// # Errors
    /// Whatever keeps it from doing so.
    fn take(&mut self, partition: u32, event: CustomerEvent, summaries: &mut Vec<Summary>) -> Result<(), Failure>;
}

/// A history that is being written.
struct History<'a, P> {
    partitions: &'a mut P,
    count: u32,
    coordinator: Coordinator,
    /// Control records so far, and those that wait to be copied.
    controls: u64,
    cut_points: Vec<control::Control>,
    summaries: Vec<Summary>,
}

/// Writes the history of a plan to so many partitions.
///
/// # Errors
/// What the partitions say; a coordinator that doesn't take their summaries.
pub fn write(plan: Plan, count: u32, partitions: &mut impl Partitions) -> Result<(), Failure> {
    let mut history = History {
        partitions,
        count,
        coordinator: Coordinator::default(),
        controls: 0,
        cut_points: Vec::new(),
        summaries: Vec::new(),
    };
    let logic = *KNOWN_LOGIC.last().ok_or("this release folds no logic")?;
    history.control(control::Control::LogicActivated(LogicActivated { logic }))?;
    for text in POLICIES {
        history.control(control::Control::PolicyActivated(PolicyActivated { text: text.to_owned() }))?;
    }
    let mut midnight = START + DAY_MS;
    for fact in Orders::new(plan) {
        while fact.time_ms >= midnight {
            history.midnight(midnight)?;
            midnight += DAY_MS;
        }
        history.give(partition_of(&fact.subject, count), Event::Fact(fact))?;
    }
    history.midnight(midnight)
}

impl<P: Partitions> History<'_, P> {
    fn midnight(&mut self, time_ms: i64) -> Result<(), Failure> {
        self.all(&Event::Tick(Tick { time_ms }))?;
        for control in std::mem::take(&mut self.cut_points) {
            self.control(control)?;
        }
        Ok(())
    }

    fn control(&mut self, control: control::Control) -> Result<(), Failure> {
        self.controls += 1;
        let control = Some(Control { origin: None, control: Some(control) });
        self.all(&Event::Control(ControlCopy { number: self.controls, control }))
    }

    fn all(&mut self, event: &Event) -> Result<(), Failure> {
        (0..self.count).try_for_each(|partition| self.give(partition, event.clone()))
    }

    fn give(&mut self, partition: u32, event: Event) -> Result<(), Failure> {
        self.partitions.take(partition, CustomerEvent { event: Some(event) }, &mut self.summaries)?;
        let mut effects = Vec::new();
        for summary in self.summaries.drain(..) {
            self.coordinator.apply(&summary, &mut effects)?;
        }
        self.cut_points.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Control(Control { control, .. }) => control,
            _ => None,
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tiermesh_domain::scoring::Scoring;
    use tiermesh_proto::v1::Origin;

    use super::*;
    use crate::orders::Skew;

    /// Folds, and keeps what it was given.
    struct Kept {
        folds: Vec<Scoring>,
        events: Vec<Vec<CustomerEvent>>,
    }

    impl Partitions for Kept {
        fn take(&mut self, partition: u32, event: CustomerEvent, summaries: &mut Vec<Summary>) -> Result<(), Failure> {
            let (at, mut effects) = (partition as usize, Vec::new());
            self.folds[at].apply(&event, &mut effects)?;
            self.events[at].push(event);
            summaries.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Summary(summary) => {
                    let ticks = self.events[at].iter().filter(|event| matches!(event.event, Some(Event::Tick(_))));
                    let sequence = ticks.count() as u64;
                    let origin = Origin { service: "scoring".to_owned(), partition, offset: 0, sequence };
                    Some(Summary { origin: Some(origin), ..summary })
                }
                _ => None,
            }));
            Ok(())
        }
    }

    #[test]
    fn each_midnight_has_a_tick_and_cut_points_in_every_partition() {
        let plan = Plan { orders: 600, customers: 60, skew: Skew::Uniform, days: 12 };
        let mut kept = Kept { folds: (0..3).map(|_| Scoring::new(3)).collect(), events: vec![Vec::new(); 3] };
        write(plan, 3, &mut kept).unwrap();
        let mut facts = 0;
        for events in &kept.events {
            let count = |is: fn(&Event) -> bool| {
                events.iter().filter_map(|event| event.event.as_ref()).filter(|e| is(e)).count()
            };
            facts += count(|event| matches!(event, Event::Fact(_)));
            assert_eq!(count(|event| matches!(event, Event::Tick(_))), 12);
            let cut_points = |event: &Event| {
                let Event::Control(copy) = event else { return false };
                matches!(&copy.control, Some(Control { control: Some(control::Control::CutPoints(_)), .. }))
            };
            assert_eq!(count(cut_points), 12);
            // Logic, two policies, cut-points: and nothing else is control.
            assert_eq!(count(|event| matches!(event, Event::Control(_))), 15);
        }
        assert_eq!(facts, 600);
    }
}
