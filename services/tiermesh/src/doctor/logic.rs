//! How facts are folded: whether this release, and the instances that answer, know the way that is in force.

use tiermesh_domain::scoring::KNOWN_LOGIC;

use super::{Args, Finding, reach};
use crate::logic::{known_by, numbers};

/// Compares what is in force with what this release knows.
pub(super) fn of_this_release(in_force: u32) -> Finding {
    let known = numbers(KNOWN_LOGIC.iter().map(|logic| u64::from(*logic)));
    let newest = KNOWN_LOGIC.last().copied().unwrap_or_default();
    let what = format!("{in_force} is in force, this release knows {known}");
    match in_force {
        0 => Finding::note("logic", "`control` doesn't say yet how facts are folded", "ingest says so when it starts"),
        _ if !KNOWN_LOGIC.contains(&in_force) => {
            Finding::wrong("logic", what, "upgrade: a service of this release stops where that logic was activated")
        }
        _ if in_force < newest => {
            let remedy = format!("once every instance is of this release: tiermesh logic activate {newest}");
            Finding::note("logic", what, remedy)
        }
        _ => Finding::well("logic", what),
    }
}

/// Those of the instances that answer and don't know what is in force.
pub(super) async fn of_instances(args: &Args, in_force: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, url) in reach::asked(args) {
        let Some(known) = known_by(url).await.filter(|known| !known.contains(&u64::from(in_force))) else { continue };
        let what = format!("{in_force} is in force, {name} at {url} knows {} only", numbers(known));
        findings.push(Finding::wrong("logic", what, "roll out this release there: it stops at what it doesn't know"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn what_is_in_force_is_compared_with_what_is_known() {
        let newest = *KNOWN_LOGIC.last().unwrap();
        assert_eq!(of_this_release(newest).state, State::Well);
        let older = of_this_release(newest - 1);
        assert_eq!(older.state, State::Note);
        assert!(older.remedy.ends_with(&format!("tiermesh logic activate {newest}")), "{older:?}");
        let later = of_this_release(newest + 1);
        assert_eq!(later.state, State::Wrong);
        assert!(later.remedy.starts_with("upgrade"), "{later:?}");
        assert_eq!(of_this_release(0).state, State::Note);
    }
}
