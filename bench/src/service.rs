//! Contenders as processes of their own, so that what they use can be told apart.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use tiermesh_testkit::free_port;

use crate::Failure;

/// Longer than this nothing takes to start: it hangs.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// Nor to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
/// How often somebody who waits looks again.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A process that runs; dropped, it is killed.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it logs goes to `NAME.log` in `directory`, standard output too unless somebody reads it.
    ///
    /// # Errors
    /// If it can't be started.
    fn start(name: &str, mut command: Command, directory: &Path, is_read: bool) -> Result<Self, Failure> {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let output = if is_read { Stdio::piped() } else { file.try_clone()?.into() };
        let child = command.stdin(Stdio::piped()).stdout(output).stderr(file).spawn();
        let child = child.map_err(|error| format!("{name} can't be started: {error}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error, if it has ended.
    ///
    /// # Errors
    /// It has ended; its log's last lines.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("{} ended ({status}); its log ends:\n{}", self.name, self.told()).into()),
        }
    }

    /// The end of its log.
    pub fn told(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    /// If that can't be done.
    pub fn kill(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has, in good order.
    ///
    /// # Errors
    /// If it doesn't, or fails.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.check()?;
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let began = Instant::now();
        while began.elapsed() < STOPPED_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                // A JVM that was asked to stop says 143.
                let in_order = status.success() || status.code() == Some(143);
                let error = || format!("{} stopped with {status}; its log ends:\n{}", self.name, self.told());
                return if in_order { Ok(()) } else { Err(error().into()) };
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Err(format!("{} doesn't stop; its log ends:\n{}", self.name, self.told()).into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service of `tiermesh` that runs.
pub struct Service {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub port: u16,
}

impl Service {
    /// Starts `tiermesh` with these arguments, listening on a port of its own, without waiting until it is ready.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn launch<S: AsRef<OsStr>>(
        binary: &Path,
        name: &str,
        directory: &Path,
        arguments: &[S],
    ) -> Result<Self, Failure> {
        let port = free_port();
        let mut command = Command::new(binary);
        command.args(arguments).args(["--listen", &format!("127.0.0.1:{port}")]);
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIERMESH_")) {
            command.env_remove(variable);
        }
        command.env("TIERMESH_NO_KEYS", "true");
        Ok(Self { process: Process::start(name, command, directory, false)?, port })
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If it doesn't get ready.
    pub fn start<S: AsRef<OsStr>>(
        binary: &Path,
        name: &str,
        directory: &Path,
        arguments: &[S],
    ) -> Result<Self, Failure> {
        let mut service = Self::launch(binary, name, directory, arguments)?;
        let began = Instant::now();
        while !service.is_ready() {
            service.process.check()?;
            if began.elapsed() > READY_WITHIN {
                return Err(format!("{name} doesn't get ready; its log ends:\n{}", service.process.told()).into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(service)
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Its metrics of this name, of a series with this label, summed: Prometheus' text is read.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.get("/metrics").unwrap_or_default();
        let of = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        of.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// A plain GET, without a client: the whole answer, or nothing if nobody answers.
    fn get(&self, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

/// A process that says a line when it is ready and maybe one when it is done, and ends when its standard input does.
pub struct Told {
    /// The process.
    pub process: Process,
    lines: BufReader<ChildStdout>,
}

impl Told {
    /// Starts it, and waits for the line `ready`.
    ///
    /// # Errors
    /// If it ends instead.
    pub fn start(name: &str, command: Command, directory: &Path) -> Result<Self, Failure> {
        let mut process = Process::start(name, command, directory, true)?;
        let output = process.child.stdout.take().ok_or("standard output is piped")?;
        let mut told = Self { process, lines: BufReader::new(output) };
        told.wait_for("ready")?;
        Ok(told)
    }

    /// Waits for a line that begins so; what follows.
    ///
    /// # Errors
    /// If it ends instead.
    pub fn wait_for(&mut self, beginning: &str) -> Result<String, Failure> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                let name = &self.process.name;
                return Err(format!("{name} ended before `{beginning}`; its log ends:\n{}", self.process.told()).into());
            }
            if let Some(rest) = line.strip_prefix(beginning) {
                return Ok(rest.trim().to_owned());
            }
        }
    }
}
