//! Which sources facts came from since the last summary: from it the coordinator learns who still sends.

use tiermesh_proto::v1::SourceCount;

use super::Scoring;
use crate::{ledger::OWN_SOURCE, sources::MOST_SOURCES};

impl Scoring {
    /// Counts a fact that was taken in. The mesh's own are nobody's feed. Beyond [`MOST_SOURCES`] further sources aren't
    /// counted until the next summary, which says by being full that it doesn't name all.
    pub(crate) fn count_source(&mut self, source: &str) {
        if source.starts_with(OWN_SOURCE) {
            return;
        }
        let source = self.names.id(source);
        if self.sources.len() < MOST_SOURCES || self.sources.contains_key(&source) {
            *self.sources.entry(source).or_default() += 1;
        }
    }

    /// What was counted since the last summary, by source.
    pub(crate) fn take_sources(&mut self) -> Vec<SourceCount> {
        let counted = std::mem::take(&mut self.sources);
        let mut sources: Vec<SourceCount> = counted
            .into_iter()
            .map(|(source, facts)| SourceCount { source: self.names.text(source).to_owned(), facts })
            .collect();
        sources.sort_by(|a, b| a.source.cmp(&b.source));
        sources
    }
}
