//! Saves of churn-warning: scoring's segment, the settings, and the signals of the customers that changed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ChurnWarning, CustomerSignals};
use crate::{
    fold::{Fold, FoldError, Packed, pack, unpack},
    policy::{self, Document},
};

#[derive(Serialize, Deserialize)]
struct Segment {
    scoring: Vec<u8>,
    settings: Option<String>,
    quiet: BTreeSet<String>,
    signals: Vec<(u32, CustomerSignals)>,
}

impl ChurnWarning {
    pub(super) fn pack_all(&mut self) -> Vec<u8> {
        self.unsaved.clear();
        let scoring = self.scoring.snapshot();
        self.pack_signals(scoring, (0..self.signals.len() as u32).collect())
    }

    /// Those whose signals changed, also where none is left; and of those whom scoring packs whole, who has any.
    pub(super) fn pack_changed(&mut self) -> Packed {
        let (scoring, whole) = self.scoring.pack_changed();
        let any = |at: &u32| self.signals.get(*at as usize).is_some_and(|signals| !signals.are_none());
        let mut of = std::mem::take(&mut self.unsaved);
        of.extend(whole.into_iter().filter(any));
        Packed { bytes: self.pack_signals(scoring.bytes, of), round_complete: scoring.round_complete }
    }

    fn pack_signals(&mut self, scoring: Vec<u8>, of: BTreeSet<u32>) -> Vec<u8> {
        let signals = of.into_iter().filter_map(|at| Some((at, self.signals.get(at as usize)?.clone())));
        pack(&Segment {
            scoring,
            settings: self.settings.as_ref().map(|(_, text)| text.clone()),
            quiet: self.quiet.clone(),
            signals: signals.collect(),
        })
    }

    pub(super) fn unpack(&mut self, segments: &[Vec<u8>]) -> Result<(), FoldError> {
        let mut segments: Vec<Segment> = segments.iter().map(|segment| unpack(segment)).collect::<Result<_, _>>()?;
        let Some(last) = segments.last() else { return Ok(()) };
        let settings = last.settings.clone();
        self.quiet = last.quiet.clone();
        let settings = match settings {
            None => None,
            Some(text) => match policy::parse(&text)? {
                Document::Detectors(settings) => Some((*settings, text)),
                Document::Tiers(_) => {
                    return Err(FoldError::corrupt("saved settings are not those of loss signals"));
                }
            },
        };
        if let Some((settings, text)) = settings {
            // Before scoring is loaded: so its views are made once.
            self.put_in_force(settings, &text);
        }
        let scoring: Vec<Vec<u8>> = segments.iter_mut().map(|segment| std::mem::take(&mut segment.scoring)).collect();
        self.scoring.load(&scoring)?;
        self.signals.resize_with(self.scoring.customers.len(), CustomerSignals::default);
        for segment in segments {
            for (at, signals) in segment.signals {
                let slot = self.signals.get_mut(at as usize);
                *slot.ok_or_else(|| FoldError::corrupt("a save has signals of nobody"))? = signals;
            }
        }
        let Some((settings, _)) = self.settings.clone() else { return Ok(()) };
        for at in 0..self.signals.len() {
            let (Some((_, customer)), Some(signals)) = (self.scoring.customers.get_index(at), self.signals.get(at))
            else {
                continue;
            };
            let due = self.next_look(&settings, customer, signals, signals.ended_last);
            self.calendar.reschedule(at as u32, None, due);
            if let Some(signals) = self.signals.get_mut(at) {
                signals.due = due;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tiermesh_proto::v1::{
        Control, ControlCopy, CustomerEvent, DetectorsActivated, Fact, Interaction, LogicActivated, Tick, control,
        customer_event::Event, fact::Data,
    };

    use super::*;

    /// Rare in generated histories: a save right between the end of a signal and the tick that may raise it anew.
    #[test]
    fn who_was_told_an_end_is_looked_at_by_the_next_tick_also_after_a_load() {
        let text = include_str!("../../../../policies/loss-signals.toml").to_owned();
        let copy = |number, control| {
            Event::Control(ControlCopy { number, control: Some(Control { origin: None, control: Some(control) }) })
        };
        let data =
            Some(Data::InteractionRecorded(Interaction { channel: "call".to_owned(), ..Interaction::default() }));
        let mut folded = ChurnWarning::new(1);
        for event in [
            copy(1, control::Control::LogicActivated(LogicActivated { logic: 1 })),
            copy(2, control::Control::DetectorsActivated(DetectorsActivated { text })),
            Event::Fact(Fact { subject: "c".to_owned(), time_ms: 5, data, ..Fact::default() }),
            Event::Tick(Tick { time_ms: 1_000 }),
        ] {
            folded.apply(&CustomerEvent { event: Some(event) }, &mut Vec::new()).unwrap();
        }
        for (ended_last, due) in [(false, None), (true, Some(1_001))] {
            folded.signals[0].ended_last = ended_last;
            let mut loaded = ChurnWarning::new(1);
            loaded.load(&[folded.snapshot()]).unwrap();
            assert_eq!(loaded.signals[0].due, due);
        }
    }
}
