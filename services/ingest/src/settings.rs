//! What can be set about ingest, and the limits of what it takes.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use clap::Args;
use tiermesh_event_log::kafka::KafkaSettings;

use crate::{
    inbound::{Inbound, InboundError},
    limits::RateLimit,
};

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
#[derive(Debug, Clone, Default, Args)]
pub struct IngestArgs {
    /// Let time step more than an hour although no event came meanwhile. Whatever is older than a policy's window
    /// leaves it at that step.
    #[arg(long, env = "TIERMESH_ALLOW_TIME_LEAP")]
    pub allow_time_leap: bool,
    /// Take requests without API keys: from anyone who can reach the address.
    #[arg(long, env = "TIERMESH_NO_KEYS")]
    pub no_keys: bool,
    /// Most events that one key, or without keys one source, may send in a second.
    #[arg(long, env = "TIERMESH_RATE_LIMIT", value_name = "EVENTS_PER_SECOND")]
    pub rate_limit: Option<NonZeroU32>,
    /// With --rate-limit: most events at once. Unless said otherwise 10,000, or the rate limit if that is more.
    #[arg(long, env = "TIERMESH_RATE_BURST", value_name = "EVENTS", requires = "rate_limit")]
    pub rate_burst: Option<NonZeroU32>,
    /// A file that says from which Kafka topics of others events are taken in, too.
    #[arg(long, env = "TIERMESH_INBOUND", value_name = "FILE")]
    pub inbound: Option<PathBuf>,
}

impl IngestArgs {
    /// What the inbound file says, if there is one. `mesh` is the Kafka that the mesh runs on.
    ///
    /// # Errors
    /// As [`Inbound::read`].
    pub fn read_inbound(&self, mesh: Option<&KafkaSettings>) -> Result<Option<Inbound>, InboundError> {
        self.inbound.as_deref().map(|file| Inbound::read(file, mesh)).transpose()
    }
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
    /// Only who shows an API key gets in.
    pub require_keys: bool,
    /// How many events each sender may send.
    pub rate_limit: Option<RateLimit>,
    /// Requests that bring events and run at once.
    pub most_requests: usize,
    /// Bytes that they hold.
    pub most_bytes: usize,
    /// Which topics of others are read.
    pub inbound: Option<Inbound>,
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
            require_keys: true,
            rate_limit: None,
            most_requests: 512,
            // A parsed event takes some ten times its bytes.
            most_bytes: 64 << 20,
            inbound: None,
        }
    }
}

impl From<IngestArgs> for Settings {
    fn from(arguments: IngestArgs) -> Self {
        let largest_batch = NonZeroU32::new(LARGEST_BATCH as u32);
        let rate_limit = arguments.rate_limit.map(|events_per_second| RateLimit {
            events_per_second,
            burst: arguments.rate_burst.or(largest_batch.max(arguments.rate_limit)).unwrap_or(events_per_second),
        });
        Self {
            allow_time_leap: arguments.allow_time_leap,
            require_keys: !arguments.no_keys,
            rate_limit,
            ..Self::default()
        }
    }
}

impl Settings {
    /// Warns if anyone who reaches this address could send events and change policies.
    pub fn warn_if_open(&self, address: SocketAddr) {
        if !self.require_keys && !address.ip().is_loopback() {
            tracing::warn!(
                "--no-keys: whoever reaches {address} may send events and change policies; leave it out, and make keys \
                 with `tiermesh keys create`"
            );
        }
    }
}
