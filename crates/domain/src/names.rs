//! Texts that repeat (sources, currencies, categories), kept once per partition and known by number.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

/// The number of a text in its [`Names`].
pub type NameId = u32;

/// Every repeated text of a partition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Names {
    texts: IndexSet<Box<str>, FxBuildHasher>,
}

impl Names {
    /// The number of a text, new or known.
    pub fn id(&mut self, text: &str) -> NameId {
        if let Some(at) = self.texts.get_index_of(text) {
            return at as NameId;
        }
        self.texts.insert_full(text.into()).0 as NameId
    }

    /// The number of a text that is known.
    pub fn known(&self, text: &str) -> Option<NameId> {
        self.texts.get_index_of(text).map(|at| at as NameId)
    }

    /// The text of a number; empty if it was never given.
    pub fn text(&self, id: NameId) -> &str {
        self.texts.get_index(id as usize).map_or("", |text| text)
    }
}
