//! A server process that can't outlive the test process: a shell between the two watches a pipe.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::programs::User;

/// A cold JVM on a busy machine takes its time.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// How a server is run: shell commands, which find their settings in the environment, and their directory in `$DIR`.
pub(crate) struct Recipe {
    /// Once, before the first start.
    pub(crate) prepare: &'static str,
    /// Runs until stopped; `exec`s, so that its process is the server.
    pub(crate) serve: &'static str,
    /// Stops the server whose process id is `$1`.
    pub(crate) stop: &'static str,
    /// Once, at the end.
    pub(crate) clean: &'static str,
    /// Settings for the commands.
    pub(crate) env: Vec<(&'static str, OsString)>,
    /// Who runs it, if not us.
    pub(crate) user: Option<User>,
}

type Ready = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A server and the shell that guards it. Dropped, both are gone, with the directory.
pub(crate) struct Guardian {
    log: PathBuf,
    ready: Ready,
    line: Mutex<Line>,
}

struct Line {
    shell: Child,
    /// Closed first on drop: that is the order to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guardian {
    /// Prepares and starts a server in `home`, and waits until `ready`.
    pub(crate) fn start(home: TempDir, recipe: Recipe, ready: Ready) -> Result<Self, String> {
        let dir = home.path().to_path_buf();
        let log = dir.join("server.log");
        let script = dir.join("guardian.sh");
        std::fs::write(&script, include_str!("guardian.sh"))
            .map_err(|error| format!("can't write {}: {error}", script.display()))?;
        let mut shell = Command::new("sh");
        shell
            .arg(script)
            .envs(recipe.env)
            .envs([
                ("PREPARE", recipe.prepare),
                ("SERVE", recipe.serve),
                ("STOP", recipe.stop),
                ("CLEAN", recipe.clean),
            ])
            .env("DIR", &dir)
            .env("LOG", &log)
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Its own group: Ctrl-C at a terminal is for the tests, and must not stop the one who cleans up.
            .process_group(0);
        if let Some(user) = recipe.user {
            for path in [Ok(dir.clone())].into_iter().chain(files_in(&dir)?) {
                path.and_then(|path| chown(path, Some(user.uid), Some(user.gid)))
                    .map_err(|error| format!("can't give {} to {}: {error}", dir.display(), user.name))?;
            }
            shell.uid(user.uid).gid(user.gid);
        }
        let mut shell = shell.spawn().map_err(|error| format!("can't run sh: {error}"))?;
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("standard output is piped"));
        let _ = home.keep(); // From here on the shell removes it.

        let guardian = Self { log, ready, line: Mutex::new(Line { shell, orders, answers }) };
        if guardian.order("prepare") != "ok" {
            return Err(format!("it could not be prepared; its output ends:\n{}", guardian.log_tail()));
        }
        guardian.serve()?;
        Ok(guardian)
    }

    /// Ends the server as a crash would.
    pub(crate) fn stop(&self) {
        self.order("stop");
    }

    /// Stops the server if it runs, and starts it on the same port and data.
    pub(crate) fn restart(&self) -> Result<(), String> {
        self.stop();
        self.serve()
    }

    fn serve(&self) -> Result<(), String> {
        self.order("start");
        let start = Instant::now();
        loop {
            let Err(reason) = (self.ready)() else { return Ok(()) };
            let ended = self.order("alive") != "ok";
            if ended || start.elapsed() > READY_WITHIN {
                let what = if ended { "it ended at once" } else { "it runs but doesn't answer" };
                return Err(format!("{what} ({reason}); its output ends:\n{}", self.log_tail()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn order(&self, order: &str) -> String {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = String::new();
        let sent = line.orders.as_mut().map(|orders| writeln!(orders, "{order}"));
        if !matches!(sent, Some(Ok(()))) || line.answers.read_line(&mut answer).is_err() || answer.is_empty() {
            panic!("the shell that guards a test server is gone: something killed it");
        }
        answer.trim_end().to_owned()
    }

    fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        let line = self.line.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(line.orders.take());
        let _ = line.shell.wait();
    }
}

fn files_in(dir: &PathBuf) -> Result<impl Iterator<Item = std::io::Result<PathBuf>>, String> {
    let entries = std::fs::read_dir(dir).map_err(|error| format!("can't list {}: {error}", dir.display()))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())))
}
