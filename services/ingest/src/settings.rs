//! What can be set about ingest, and the limits of what it takes.

use std::time::Duration;

use clap::Args;

/// Largest body of a single event or a batch.
pub(crate) const LARGEST_BODY: usize = 4 << 20;
/// Most events in a batch.
pub(crate) const LARGEST_BATCH: usize = 10_000;
/// Largest event.
pub(crate) const LARGEST_EVENT: usize = 256 << 10;
/// Largest policy file.
pub(crate) const LARGEST_POLICY: usize = 256 << 10;
/// Most results in the answer to a stream; the rest is only counted.
pub(crate) const MOST_RESULTS: usize = 1_000;

/// The arguments of the service.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct IngestArgs {
    /// Let time step more than an hour although no event came meanwhile. Whatever is older than a policy's window
    /// leaves it at that step.
    #[arg(long, env = "TIERMESH_ALLOW_TIME_LEAP")]
    pub allow_time_leap: bool,
}

/// How ingest works. [`Settings::default`] is for production; tests shorten the times.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Ticks stand at multiples of this.
    pub tick_interval: Duration,
    /// Let time step more than an hour without events.
    pub allow_time_leap: bool,
    /// How long the log may take to acknowledge before the sender is told to repeat.
    pub ack_limit: Duration,
    /// How long a history session may be silent before another may take over.
    pub session_silence: Duration,
    /// How long history waits for cut-points while none come.
    pub cut_points_limit: Duration,
    /// Least time between two saves of the control keeper.
    pub save_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tick_interval: Duration::from_secs(10),
            allow_time_leap: false,
            ack_limit: Duration::from_secs(30),
            session_silence: Duration::from_secs(60),
            cut_points_limit: Duration::from_secs(60),
            save_interval: Duration::from_millis(200),
        }
    }
}

impl From<IngestArgs> for Settings {
    fn from(arguments: IngestArgs) -> Self {
        Self { allow_time_leap: arguments.allow_time_leap, ..Self::default() }
    }
}
