//! How far it is: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Shows progress on standard error.
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the last line was written; `None`: no lines.
    line: Option<Mutex<Instant>>,
}

impl Progress {
    pub(super) fn start(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::no_length();
        if quiet || !terminal {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}") {
            bar.set_style(style);
        }
        let line = (!quiet && !terminal).then(|| Mutex::new(Instant::now()));
        Self { bar, line }
    }

    /// So many events in all.
    pub(super) fn set_total(&self, total: usize) {
        self.bar.set_length(total as u64);
        let template = "{bar:40} {human_pos}/{human_len} events, {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    /// So many events are settled.
    pub(super) fn set(&self, events: u64) {
        self.bar.set_position(events);
        let Some(line) = &self.line else { return };
        let Ok(mut last) = line.lock() else { return };
        if last.elapsed() >= LINE_INTERVAL {
            *last = Instant::now();
            match self.bar.length() {
                Some(total) => eprintln!("{events} of {total} events"),
                None => eprintln!("{events} events"),
            }
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
