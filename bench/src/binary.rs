//! The `tiermesh` that is measured: built as users build it, unless one is named.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Failure, run::Run};

/// The workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Cargo's directory for what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |target| workspace().join(target))
}

/// A `tiermesh` of this source tree, built if it isn't; or the one named by `--binary`.
///
/// # Errors
/// If it can't be built.
pub fn tiermesh(run: &Run) -> Result<PathBuf, Failure> {
    if let Some(binary) = &run.binary {
        let found = binary.is_file().then(|| binary.clone());
        return found.ok_or_else(|| format!("--binary {}: there is no such file", binary.display()).into());
    }
    eprintln!("building tiermesh (cargo build --release --package tiermesh)");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--release", "--package", "tiermesh"]);
    if !cargo.current_dir(workspace()).status()?.success() {
        return Err("tiermesh can't be built; --binary names one that is there already".into());
    }
    Ok(target().join("release").join("tiermesh"))
}
