//! Who sends a request, and what they may do.

use std::sync::Arc;

use tiermesh_domain::fact::Refusal;

use super::grant::{Grant, Scope};
use crate::answer::Denial;

/// Who sends a request.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Keys aren't asked for: anyone may do anything.
    Anyone,
    /// The holder of a key.
    Holder(Arc<Grant>),
}

impl Caller {
    /// An error if the caller may not do this at all.
    pub(crate) fn may(&self, scope: Scope) -> Result<(), Denial> {
        match self {
            Self::Holder(grant) if !grant.has(scope) => {
                Err(Denial::Forbidden { key: grant.name.clone(), scope: scope.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Why the caller may not publish for a source, if so.
    pub(crate) fn refusal_of(&self, source: &str) -> Option<Refusal> {
        match self {
            Self::Holder(grant) if !grant.covers(source) => Some(Refusal::new(
                "source",
                format!(
                    "the API key `{}` may publish for {}, not for {source:?}; a key for it is made by `tiermesh keys \
                     create --sources`",
                    grant.name,
                    grant.sources()
                ),
            )),
            _ => None,
        }
    }
}
