//! What the command takes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tiermesh_service_host::LogArgs;

use crate::{export, policy, send, serve, simulate, topics, up, verify};

/// Keeps every customer's tier right as events happen, and warns before a customer leaves.
#[derive(Debug, Parser)]
#[command(name = "tiermesh", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    logs: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the whole mesh in this process, on an embedded log and store.
    Up(up::Args),
    /// Runs one service against Kafka and PostgreSQL.
    Serve(serve::Args),
    /// Sends events from files.
    Send(send::Args),
    /// Runs history through policies, on the spot: no server, no Kafka.
    Simulate(simulate::Args),
    /// Writes everybody's tiers, every tier change or every loss signal.
    Export(export::Args),
    /// Recomputes every tier by a plain batch over the log, and lists what differs.
    Verify(verify::Args),
    /// Checks policy files, and puts them in force.
    Policy(policy::Args),
    /// Creates topics, or lists how they differ from what they should be.
    Topics(topics::Args),
}

/// Whatever ends a command, with context for people.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    /// Runs the command.
    pub async fn run(self) -> Result<ExitCode, CommandError> {
        // A service tells what it does, the whole mesh in a terminal what matters, a tool only what is wrong.
        self.logs.start(match self.command {
            Command::Serve(_) => "info,sqlx::postgres::notice=warn",
            Command::Up(_) => "info,tiermesh_processing=warn",
            _ => "warn",
        });
        match self.command {
            Command::Up(args) => up::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Send(args) => send::run(args).await,
            Command::Simulate(args) => simulate::run(args),
            Command::Export(args) => export::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Policy(args) => policy::run(args).await,
            Command::Topics(args) => topics::run(args).await,
        }
    }
}
