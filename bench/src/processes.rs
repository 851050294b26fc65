//! What processes used, as `/proc` tells: CPU of one and all its descendants, memory of one, CPU of a thread.

use std::{collections::BTreeMap, fs};

use crate::Failure;

/// Linux counts CPU in hundredths of a second wherever it shows it to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process, as it stands in `/proc/PID/stat`.
struct Stat {
    pid: u32,
    parent: u32,
    /// User and system time, its own and that of children that ended and were waited for.
    ticks: u64,
}

/// CPU seconds (user and system) of a process and its descendants so far, ended ones that were waited for among them.
pub fn cpu_seconds(root: u32) -> f64 {
    let all = all();
    let ticks: u64 = all.values().filter(|stat| descends(&all, stat.pid, root)).map(|stat| stat.ticks).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// CPU seconds so far of those descendants of this process that run this program, or have this for an argument: the
/// database (`postgres`), the broker (`kafka.Kafka`).
pub fn cpu_seconds_of(name: &str) -> f64 {
    let (all, own) = (all(), std::process::id());
    let named = |pid: u32| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        read("comm").trim() == name || read("cmdline").split('\0').any(|argument| argument == name)
    };
    let of = all.values().filter(|stat| stat.pid != own && descends(&all, stat.pid, own) && named(stat.pid));
    of.map(|stat| stat.ticks).sum::<u64>() as f64 / TICKS_PER_SECOND
}

/// CPU seconds (user and system) that this process used itself.
pub fn own_cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields are counted from behind the name, where the third begins.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(14 - 3).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() as f64 / TICKS_PER_SECOND
}

/// Memory of a process that is in RAM, in bytes.
///
/// # Errors
/// If it is gone.
pub fn resident_bytes(pid: u32) -> Result<u64, Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the process has ended")?;
    let kib: u64 = line.trim().split(' ').next().unwrap_or_default().parse()?;
    Ok(kib * 1024)
}

/// Nanoseconds that this thread ran on a processor.
///
/// # Errors
/// If the kernel doesn't tell.
pub fn thread_nanoseconds() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

fn descends(all: &BTreeMap<u32, Stat>, pid: u32, root: u32) -> bool {
    let mut at = pid;
    while at != root {
        match all.get(&at) {
            Some(stat) if stat.parent != 0 => at = stat.parent,
            _ => return false,
        }
    }
    true
}

fn all() -> BTreeMap<u32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(stat).map(|stat| (stat.pid, stat)).collect()
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything: fields are counted from behind it, where the third begins.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = number(14)? + number(15)? + number(16)? + number(17)?;
    Some(Stat { pid, parent: number(4)? as u32, ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_used_counts() {
        let before = cpu_seconds(std::process::id());
        let mut child = std::process::Command::new("sh");
        let status = child.args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]).status().unwrap();
        assert!(status.success());
        assert!(cpu_seconds(std::process::id()) > before);
    }

    #[test]
    fn a_thread_and_a_process_are_measured() {
        let before = thread_nanoseconds().unwrap();
        let sum: u64 = (0..5_000_000_u64).map(std::hint::black_box).sum();
        assert!(sum > 0 && thread_nanoseconds().unwrap() > before);
        assert!(resident_bytes(std::process::id()).unwrap() > 1_000_000);
    }
}
