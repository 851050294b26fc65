//! Where and when a benchmark ran.

use std::fs;

use serde::{Deserialize, Serialize};
use tiermesh_domain::time::{Millis, format_instant};

/// The machine, as `/proc` tells of it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Logical processors that this process may use.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// The kernel's release.
    pub kernel: String,
    /// Processes that wanted a core in the minute before: beyond a fraction of `cores` the figures tell of others too.
    pub load_before: f64,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let kib = field(&memory, "MemTotal").and_then(|value| value.split(' ').next()?.parse::<f64>().ok());
        let load = read("/proc/loadavg");
        Self {
            cpu: field(&cpus, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: (kib.unwrap_or_default() / 1024.0 / 1024.0 * 10.0).round() / 10.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        }
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// The instant, RFC 3339.
pub fn now() -> String {
    format_instant(now_ms())
}

/// The instant, in milliseconds.
pub fn now_ms() -> Millis {
    #[expect(
        clippy::disallowed_methods,
        reason = "results and events say when they were made; nothing is decided by it"
    )]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}
