//! The built `tiermesh` as processes of its own: services that run, are killed and come back, and tools that are run.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tiermesh_testkit::{free_port, wait_for};

/// How long anything may take before it counts as hanging. Nothing here is a measure of speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// What is told of a log when a test fails.
const TOLD_LINES: usize = 60;

/// A service that runs. Dropped, it is killed; if the test fails, its log is printed.
pub(crate) struct Process {
    name: String,
    /// Another one than `tiermesh`.
    program: Option<PathBuf>,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    port: u16,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Starts `tiermesh` with these arguments, listening on a port of its own, and waits until it is ready.
    pub(crate) fn start(name: &str, dir: &Path, arguments: &[&str]) -> Self {
        let mut process = Self::stopped(name, dir, arguments);
        process.launch();
        process.wait_until_ready();
        process
    }

    /// As [`Process::start`], but it does not run yet.
    pub(crate) fn stopped(name: &str, dir: &Path, arguments: &[&str]) -> Self {
        let port = free_port();
        let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        arguments.extend(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
        // Keys have tests of their own.
        let environment = BTreeMap::from([("TIERMESH_NO_KEYS".to_owned(), "true".to_owned())]);
        Self::of_settings(name, dir, &arguments, &environment, port)
    }

    /// With exactly these arguments and variables, which say that it listens on `port`. It does not run yet.
    pub(crate) fn of_settings(
        name: &str,
        dir: &Path,
        arguments: &[String],
        environment: &BTreeMap<String, String>,
        port: u16,
    ) -> Self {
        let (arguments, environment) = (arguments.to_vec(), environment.clone());
        let log = dir.join(format!("{name}.log"));
        Self { name: name.to_owned(), program: None, arguments, environment, port, log, child: None }
    }

    /// As of this program, which takes the arguments of `tiermesh`.
    pub(crate) fn of_program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All that it logged so far.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Starts it, or starts it again: same arguments, same port.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = self.program.as_deref().map_or_else(tiermesh, clean);
        command
            .args(&self.arguments)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_until_ready(&mut self) {
        let (name, port) = (self.name.clone(), self.port);
        wait_for(&format!("{name} to be ready"), PATIENCE, || {
            if let Some(status) = self.ended() {
                panic!("{name} ended instead of getting ready: {status}");
            }
            get(port, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
        });
    }

    /// What it answers to a GET.
    pub(crate) fn get(&self, path: &str) -> String {
        let answer = get(self.port, path).unwrap_or_else(|| panic!("{} does not answer", self.name));
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Ends it as a crash would: `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended before it was killed: {status}", self.name);
        }
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to stop, as a supervisor does, and waits until it has, in good order.
    pub(crate) fn stop(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended before it was stopped: {status}", self.name);
        }
        let mut child = self.child.take().unwrap();
        let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let mut status = None;
        wait_for(&format!("{} to stop", self.name), PATIENCE, || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.is_some_and(|status| status.success()), "{} stopped with {status:?}", self.name);
    }

    /// Stops its clock, as a machine that hangs would: it keeps its connections, and does nothing.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on as if nothing had been.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().unwrap_or_else(|| panic!("{} doesn't run", self.name));
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// How much memory it has, in MiB.
    pub(crate) fn resident_mebibytes(&self) -> u64 {
        let child = self.child.as_ref().unwrap_or_else(|| panic!("{} doesn't run", self.name));
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// Waits until it has ended by itself; how.
    pub(crate) fn wait_until_ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for(&format!("{} to end", self.name), PATIENCE, || {
            status = self.ended();
            status.is_some()
        });
        self.child = None;
        status.unwrap()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.logged();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n");
            eprintln!("--- log of {} ends:\n{last}\n---", self.name);
        }
    }
}

/// The command, with nothing set by the environment that the tests run in.
fn tiermesh() -> Command {
    clean(Path::new(env!("CARGO_BIN_EXE_tiermesh")))
}

/// A program with nothing set by the environment that the tests run in.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIERMESH_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a tool that has to succeed; what it wrote to standard output.
pub(crate) fn run(arguments: &[&str]) -> String {
    run_with(arguments, &BTreeMap::new())
}

/// As [`run`], with these variables.
pub(crate) fn run_with(arguments: &[&str], environment: &BTreeMap<String, String>) -> String {
    let output = tiermesh().args(arguments).envs(environment).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tiermesh {arguments:?}: {}\n{text}\n{told}", output.status);
    text
}

/// Runs a tool that may fail: its exit code, and what it wrote to standard output and to standard error.
pub(crate) fn attempt(arguments: &[&str]) -> (i32, String, String) {
    let output = tiermesh().args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// `tiermesh send` on its way. Of `-` it is certainly still sending until [`Sender::finish`].
pub(crate) struct Sender {
    child: Child,
}

impl Sender {
    /// Starts to send to ingest at `url`. It tries again for as long as a test may take.
    pub(crate) fn start(url: &str, arguments: &[&str]) -> Self {
        let patience = PATIENCE.as_secs().to_string();
        let mut command = tiermesh();
        command.args(["send", "--json", "--retry-for", &patience, "--to", url]).args(arguments);
        Self { child: command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap() }
    }

    /// Whether it is still sending.
    pub(crate) fn is_sending(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Hands events over. Returns once the last of them are on their way, which may wait for ingest.
    pub(crate) fn feed(&mut self, lines: &[u8]) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(lines).unwrap();
        input.flush().unwrap();
    }

    /// There are no more events: waits until all are taken, and gives the summary.
    pub(crate) fn finish(mut self) -> serde_json::Value {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "send ended with {status}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // It may have ended, and usually has.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A plain GET, without a client: the whole answer, or nothing if nobody answers.
fn get(port: u16, path: &str) -> Option<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    Some(answer)
}
