//! What a key may do: publish for the sources that its patterns name, operate the mesh.

use std::fmt;

use tiermesh_store::ApiKey;

/// What a key may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// Publishing events for its sources.
    Events,
    /// Reading what the mesh says of customers.
    Read,
    /// Operating the mesh: policies, going live, history, dead letters, deliveries; and reading.
    Operate,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::Read => "read",
            Self::Operate => "operate",
        })
    }
}

/// Why there can't be such a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name.
    #[error("--name {0:?}: expected 1 to 64 characters, none of them a control character")]
    Name(String),
    /// A pattern.
    #[error(
        "--sources {0:?}: expected sources such as erp/retail, or their beginning and a star at the end, such as shop/*"
    )]
    Source(String),
    /// Patterns are missing.
    #[error("--sources is missing: say which sources the key may publish for, such as 'shop/*,erp/retail', or '*'")]
    NoSources,
}

/// Whether a key can be made so.
pub(super) fn check(name: &str, sources: &[String], scopes: &[Scope]) -> Result<(), KeyError> {
    if name.trim().is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(KeyError::Name(name.to_owned()));
    }
    let bad = |source: &&String| {
        let beginning = source.strip_suffix('*').unwrap_or(source);
        source.is_empty() || beginning.contains('*') || source.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    match sources.iter().find(bad) {
        Some(source) => Err(KeyError::Source(source.clone())),
        None if sources.is_empty() && scopes.contains(&Scope::Events) => Err(KeyError::NoSources),
        None => Ok(()),
    }
}

/// Whether one of the patterns, whole sources or beginnings with a star, names the source.
pub(crate) fn covers(patterns: &[String], source: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => source.starts_with(beginning),
        None => source == pattern,
    })
}

/// What a key may do, in force.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) id: String,
    pub(crate) name: String,
    sources: Vec<String>,
    scopes: Vec<String>,
}

impl Grant {
    pub(super) fn of(key: &ApiKey) -> Self {
        Self { id: key.id.clone(), name: key.name.clone(), sources: key.sources.clone(), scopes: key.scopes.clone() }
    }

    pub(super) fn has(&self, scope: Scope) -> bool {
        let holds = |scope: Scope| self.scopes.contains(&scope.to_string());
        holds(scope) || (scope == Scope::Read && holds(Scope::Operate))
    }

    pub(super) fn covers(&self, source: &str) -> bool {
        covers(&self.sources, source)
    }

    /// The patterns, for people.
    pub(super) fn sources(&self) -> String {
        self.sources.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use tiermesh_store::SecretHash;

    use super::*;

    fn grant(sources: &[&str]) -> Grant {
        let sources = sources.iter().map(ToString::to_string).collect();
        let (id, name) = ("a".to_owned(), "shop".to_owned());
        Grant::of(&ApiKey { id, name, hash: SecretHash([0; 32]), sources, scopes: vec!["events".to_owned()] })
    }

    #[test]
    fn patterns_are_whole_sources_or_beginnings() {
        let grant = grant(&["shop/*", "erp/retail"]);
        for (source, covered) in [
            ("shop/web", true),
            ("shop/", true),
            ("shop", false),
            ("erp/retail", true),
            ("erp/retail2", false),
            ("", false),
        ] {
            assert_eq!(grant.covers(source), covered, "{source}");
        }
        assert!(self::grant(&["*"]).covers("anything"));
        assert!(!self::grant(&[]).covers("anything"));
        assert!(grant.has(Scope::Events) && !grant.has(Scope::Operate));
    }

    #[test]
    fn slips_are_named() {
        let check = |name: &str, sources: &[&str], scope| {
            let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
            check(name, &sources, &[scope]).map_err(|error| error.to_string())
        };
        assert!(check("shop", &["*", "a/*"], Scope::Events).is_ok());
        assert!(check("shop", &[], Scope::Operate).is_ok());
        assert!(check("", &["*"], Scope::Events).unwrap_err().contains("--name"));
        assert!(check("shop", &["a*b"], Scope::Events).unwrap_err().contains("a*b"));
        assert!(check("shop", &["a b"], Scope::Events).is_err());
        assert!(check("shop", &[], Scope::Events).unwrap_err().contains("'shop/*,erp/retail'"));
    }
}
