//! What can be set about notification.

use std::{path::PathBuf, time::Duration};

use crate::routes::{Routes, RoutesError};

/// The arguments of the service.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// The file that says who is told of what, and where. Without one, loss signals and messages to operations are
    /// written to the process's log.
    #[arg(long, env = "TIERMESH_ROUTES", value_name = "FILE")]
    pub routes: Option<PathBuf>,
}

impl Args {
    /// Reads the routes, and the secrets that they name.
    ///
    /// # Errors
    /// The file can't be read, or something is wrong in it.
    pub fn routes(&self) -> Result<Routes, RoutesError> {
        self.routes.as_deref().map_or_else(|| Ok(Routes::built_in()), Routes::load)
    }
}

/// How notification works. [`Settings::default`] is for production; tests shorten the times.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many attempts a delivery has.
    pub attempts: u32,
    /// The wait after the first failure; it doubles from one to the next.
    pub first_wait: Duration,
    /// The longest wait that doubling leads to.
    pub longest_wait: Duration,
    /// How long an attempt may take.
    pub attempt_limit: Duration,
    /// When an attempt of which nothing is heard may be made again, by whoever finds it first.
    pub lease: Duration,
    /// How many attempts of one route run at once.
    pub in_flight: usize,
    /// How often the ledger is looked into when nothing is known to be due.
    pub look_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempts: 16,
            first_wait: Duration::from_secs(5),
            longest_wait: Duration::from_secs(4 * 60 * 60),
            attempt_limit: Duration::from_secs(10),
            lease: Duration::from_secs(30),
            in_flight: 8,
            look_every: Duration::from_secs(1),
        }
    }
}
