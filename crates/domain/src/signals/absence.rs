//! A source that has gone quiet must not make its customers look lost: what rests on absence is held back meanwhile.

use super::{ChurnWarning, Raised, SignalState, signal::Verdict};
use crate::{fold::Effect, scoring::Customer};

impl ChurnWarning {
    /// A source went quiet.
    pub(super) fn hold_back(&mut self, source: &str) {
        self.quiet.insert(source.to_owned());
    }

    /// A source is back: what still holds of its customers is said now.
    pub(super) fn release(&mut self, source: &str, effects: &mut Vec<Effect>) {
        if !self.quiet.remove(source) {
            return;
        }
        let Some(number) = self.scoring.names.known(source) else { return };
        for at in 0..self.scoring.customers.len() as u32 {
            let customer = self.scoring.customers.get_index(at as usize);
            if customer.is_some_and(|(_, customer)| customer.ledger.order_sources().contains(&number)) {
                self.look_again(at, effects);
            }
        }
    }

    /// Whether some of a customer's orders came from a source that is quiet now.
    pub(super) fn is_held_back(&self, customer: &Customer) -> bool {
        !self.quiet.is_empty() && self.quiet_sources(customer).next().is_some()
    }

    /// The sources of a customer's orders that are quiet now, by name.
    pub(crate) fn quiet_sources_of(&self, subject: &str) -> Vec<String> {
        let customer = self.scoring.customers.get(subject);
        let mut quiet: Vec<String> =
            customer.into_iter().flat_map(|customer| self.quiet_sources(customer)).map(str::to_owned).collect();
        quiet.sort_unstable();
        quiet
    }

    fn quiet_sources(&self, customer: &Customer) -> impl Iterator<Item = &str> {
        let sources = customer.ledger.order_sources().iter().map(|source| self.scoring.names.text(*source));
        sources.filter(|source| self.quiet.contains(*source))
    }
}

/// Whether a verdict of a detector that counts orders rests on there being none: it says more of an absence than was said
/// before. That orders came is true whatever is missing.
pub(super) fn rests_on_absence(verdict: &Verdict, raised: Option<&Raised>) -> bool {
    match verdict.state {
        SignalState::Raised | SignalState::Lost => true,
        SignalState::Updated => raised.is_none_or(|raised| verdict.observed < raised.observed),
        SignalState::Cleared => false,
    }
}
