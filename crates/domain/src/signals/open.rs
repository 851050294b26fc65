//! The signals of one customer that are raised.

use super::{ChurnWarning, Raised, at_least, at_most, silence};
use crate::explain::OpenSignal;

impl ChurnWarning {
    /// The signals of a customer that are raised, by detector.
    pub(crate) fn open_signals(&self, subject: &str) -> Vec<OpenSignal> {
        let Some((at, _, customer)) = self.scoring.customers.get_full(subject) else { return Vec::new() };
        let (Some(signals), Some((settings, _)), Some(pace)) =
            (self.signals.get(at), &self.settings, customer.paces.first())
        else {
            return Vec::new();
        };
        let open = |detector: &str, raised: &Raised, p| OpenSignal {
            detector: detector.to_owned(),
            since_ms: Some(raised.since),
            observed: raised.observed,
            expected: raised.expected,
            window_days: raised.window_days,
            p,
        };
        let rise = signals
            .complaint_rise
            .as_ref()
            .map(|raised| open("complaint_rise", raised, Some(at_least(raised.observed, raised.expected))));
        let drop = signals
            .frequency_drop
            .as_ref()
            .map(|raised| open("frequency_drop", raised, Some(at_most(raised.observed, raised.expected))));
        let silence = signals
            .silence
            .as_ref()
            .map(|raised| open("silence", raised, silence::improbability(pace, &settings.zone, raised.observed)));
        [rise, drop, silence].into_iter().flatten().collect()
    }
}
