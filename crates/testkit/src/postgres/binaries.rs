//! The PostgreSQL that this machine has installed.

use std::path::{Path, PathBuf};

use crate::programs;

/// The directory with `initdb` and `postgres`; installs them where that is ours to do.
pub(super) fn ready() -> Result<PathBuf, String> {
    let missing = || {
        programs::install(&["postgresql"], find)
            .map_err(|reason| format!("no `initdb` and `postgres` in PATH or the usual places: {reason}"))
    };
    find().map_or_else(missing, Ok)
}

fn find() -> Option<PathBuf> {
    // The real place: `initdb` looks for the rest of PostgreSQL beside itself, and PATH may have only links.
    let initdb = programs::find("initdb", usual_places())?.canonicalize().ok()?;
    let bin = initdb.parent()?;
    bin.join("postgres").is_file().then(|| bin.to_path_buf())
}

/// Debian, Red Hat, Homebrew; the newest version first.
fn usual_places() -> impl Iterator<Item = PathBuf> {
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok())
        .map(|entry| (entry.file_name().to_string_lossy().parse().unwrap_or(0), entry.path().join("bin")))
        .collect();
    debian.sort_unstable_by(|a, b| b.cmp(a));
    let others = ["/usr/local/bin", "/usr/local/pgsql/bin", "/usr/pgsql-17/bin", "/opt/homebrew/opt/postgresql@17/bin"];
    debian.into_iter().map(|(_, bin)| bin).chain(others.map(|bin| Path::new(bin).to_path_buf()))
}
