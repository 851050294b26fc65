//! The mutations that the simulation has to catch still fit the code. That it catches them is shown by `mutate.sh`,
//! which builds each.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What the simulation has to see, by the names of the patches.
const MUTATIONS: [&str; 10] = [
    "01-save-before-acknowledgement",
    "02-no-fence",
    "03-no-mark-at-consumers",
    "04-last-instead-of-maximum",
    "05-finite-message-time-out",
    "06-effects-in-container-order",
    "07-state-kept-after-revoke",
    "08-tick-taken-twice",
    "09-summary-counted-twice",
    "10-cut-points-before-all-reported",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_mutation_still_fits_the_code() {
    let directory = root().join("tests/simulation/mutations");
    let mut found: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, MUTATIONS);
    for name in MUTATIONS {
        let patch = fs::read_to_string(directory.join(name).with_extension("patch")).unwrap();
        let hunks = hunks(&patch);
        assert!(!hunks.is_empty(), "{name} changes nothing");
        for (file, before, after) in hunks {
            assert_ne!(before, after, "{name}: {file}");
            let code = fs::read_to_string(root().join(&file)).unwrap();
            assert_eq!(
                code.matches(&before).count(),
                1,
                "{name} doesn't fit {file} any more: write the patch anew for the code as it is now; it has\n{before}"
            );
        }
    }
}

/// The hunks of a unified diff: the file, its lines before, and after.
fn hunks(patch: &str) -> Vec<(String, String, String)> {
    let mut hunks: Vec<(String, String, String)> = Vec::new();
    let mut file = String::new();
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            file = name.to_owned();
        } else if line.starts_with("@@") {
            hunks.push((file.clone(), String::new(), String::new()));
        } else if !line.starts_with("---")
            && let Some((_, before, after)) = hunks.last_mut()
        {
            let (kind, text) = line.split_at_checked(1).unwrap_or((" ", ""));
            let sides: &mut [&mut String] = match kind {
                "-" => &mut [before],
                "+" => &mut [after],
                _ => &mut [before, after],
            };
            for side in sides {
                side.push_str(text);
                side.push('\n');
            }
        }
    }
    hunks
}
