//! Programs of the machine: finding them, running them, and installing what is missing where that is ours to do.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A user of this machine.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The first of `names` that this machine has.
pub(crate) fn user(names: &[&str]) -> Option<User> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    names.iter().find_map(|name| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map_while(|id| id.parse().ok());
        Some(User { name: (*name).to_owned(), uid: ids.next()?, gid: ids.next()? })
    })
}

/// Whether we are root. Asked of `id`, since the system call would need unsafe code.
pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// The path of a program in `PATH`, or in one of the `others`.
pub(crate) fn find(program: &str, others: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(others).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Runs a program to its end and gives what it wrote to standard output and error; an error if it failed.
pub(crate) fn run(program: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{} {}: {text}", program.display(), args.join(" "))) }
}

/// Whether a program ends well within `limit`; it is killed if it takes longer.
pub(crate) fn succeeds_within(limit: Duration, program: &Path, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let start = Instant::now();
    while start.elapsed() < limit {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// Installs Debian packages, if this is a Debian and we are root. One test process at a time; `present` is asked
/// again once it is our turn.
pub(crate) fn install<T>(packages: &[&str], present: impl Fn() -> Option<T>) -> Result<T, String> {
    let names = packages.join(" ");
    let Some(apt) = find("apt-get", []).filter(|_| is_root()) else {
        return Err(format!("install it (Debian: apt-get install {names}); as root on Debian this is done by itself"));
    };
    let _lock = lock(&std::env::temp_dir().join("tiermesh-testkit-install.lock"))?;
    if let Some(found) = present() {
        return Ok(found);
    }
    run(&apt, &["update", "-q"])?;
    run(&apt, &[&["install", "-y", "-q", "--no-install-recommends"], packages].concat())?;
    present().ok_or_else(|| format!("`apt-get install {names}` went well but what is needed is still missing"))
}

/// Waits until no other process holds the lock, and holds it until dropped.
pub(crate) fn lock(path: &Path) -> Result<File, String> {
    let file = File::options().create(true).append(true).open(path);
    let locked = file.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| format!("can't lock {}: {error}", path.display()))
}
