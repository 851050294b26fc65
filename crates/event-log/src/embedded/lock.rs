//! One process owns a data directory: by a lock on a file in it, which the system drops when the process ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::Path,
};

use crate::seam::LogError;

const FILE: &str = "log.lock";

/// Held as long as the log is open.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: File,
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing alone isn't enough: a program that another thread is just starting has the file open too, until it
        // runs. Where unlocking fails, closing does it a moment later.
        let _ = self.file.unlock();
    }
}

impl DirectoryLock {
    pub(super) fn take(dir: &Path) -> Result<Self, LogError> {
        let path = dir.join(FILE);
        let unavailable = |error| LogError::Unavailable(format!("{} can't be locked: {error}", path.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            // The owner's number is to be read by those who come too late.
            .truncate(false)
            .open(&path)
            .map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(dir, &mut file)),
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
        file.set_len(0).map_err(unavailable)?;
        write!(file, "{}", std::process::id()).map_err(unavailable)?;
        Ok(Self { file })
    }
}

fn locked(dir: &Path, file: &mut File) -> LogError {
    let mut owner = String::new();
    // Only to name the owner: without it the text is a little poorer.
    let _ = file.read_to_string(&mut owner);
    let owner = if owner.is_empty() { String::new() } else { format!(" (process {owner})") };
    LogError::Locked(format!(
        "the data directory {} is in use by another tiermesh{owner}; stop that one, or name another directory",
        dir.display()
    ))
}
