//! Logs of the process: to standard error, for people or as JSON.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// How the process logs.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct LogArgs {
    /// How log lines look. What is logged is for TIERMESH_LOG to say (`info`, `tiermesh_ingest=debug`).
    #[arg(long, env = "TIERMESH_LOG_FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
}

impl LogArgs {
    /// Starts logging: what `TIERMESH_LOG` says, or `default` (`info`). Later calls change nothing.
    pub fn start(self, default: &str) {
        let filter = EnvFilter::try_from_env("TIERMESH_LOG").unwrap_or_else(|_| EnvFilter::new(default));
        let colours = std::io::stderr().is_terminal();
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
        // Fails only if logging was started before.
        let _ = match self.log_format {
            LogFormat::Human => logs.try_init(),
            LogFormat::Json => logs.json().try_init(),
        };
    }
}
