//! Servers in containers, by whichever engine works here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::guardian::Recipe;
use crate::programs;

/// The container engine of this machine, if one works. A client without an engine is no engine.
pub(crate) fn engine() -> Option<&'static PathBuf> {
    static ENGINE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let present = ["docker", "podman"].into_iter().filter_map(|name| programs::find(name, []));
        // `info` alone is not enough: some docker clients end well there without an engine.
        let works = |args: &[&str], engine: &PathBuf| programs::succeeds_within(Duration::from_secs(5), engine, args);
        present.into_iter().find(|engine| works(&["info"], engine) && works(&["ps", "-q"], engine))
    };
    ENGINE.get_or_init(find).as_ref()
}

/// A server in a container of its own. `prepare` creates it under `$NAME` by `$ENGINE`.
pub(crate) fn recipe(engine: &PathBuf, prepare: &'static str, env: Vec<(&'static str, OsString)>) -> Recipe {
    let name = format!("tiermesh-test-{:016x}", rand::random::<u64>());
    let own = [("ENGINE", engine.into()), ("NAME", name.into())];
    Recipe {
        prepare,
        serve: r#"exec "$ENGINE" start --attach "$NAME""#,
        stop: r#""$ENGINE" kill "$NAME""#,
        clean: r#""$ENGINE" rm --force --volumes "$NAME""#,
        env: own.into_iter().chain(env).collect(),
        user: None,
    }
}
