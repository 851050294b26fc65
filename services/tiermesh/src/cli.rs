//! What the command takes.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tiermesh_service_host::LogArgs;

use crate::{
    console, dead_letters, doctor, explain, export, healthcheck, keys, logic, manual, policy, send, serve, simulate,
    tail, topics, up, verify,
};

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
    /// Shows what happens, as it happens.
    Tail(tail::Args),
    /// Says why a customer stands where it stands.
    Explain(explain::Args),
    /// Writes everybody's tiers, every tier change or every loss signal.
    Export(export::Args),
    /// Recomputes every tier by a plain batch over the log, and lists what differs.
    Verify(verify::Args),
    /// Checks policy files, and puts them in force.
    Policy(policy::Args),
    /// Shows how facts are folded, and puts the next way of folding in force.
    Logic(logic::Args),
    /// Makes, lists and revokes API keys.
    Keys(keys::Args),
    /// Creates topics, or lists how they differ from what they should be.
    Topics(topics::Args),
    /// Lists, shows, corrects and sends again what was refused.
    DeadLetters(dead_letters::Args),
    /// Looks after the console's read model.
    Console(console::Args),
    /// Says what can be reached, what is wrong, and what to do about it.
    Doctor(doctor::Args),
    /// Asks a service whether it is ready.
    Healthcheck(healthcheck::Args),
    /// Prints the completions of a shell.
    Completions(manual::CompletionsArgs),
    /// Writes manual pages.
    Man(manual::ManArgs),
}

/// Whatever ends a command, with context for people.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    /// Runs the command.
    pub async fn run(self) -> Result<ExitCode, CommandError> {
        // A service tells what it does, the whole mesh in a terminal what matters, a tool only what is wrong.
        self.logs.start(match self.command {
            Command::Serve(_) => "info,opentelemetry=warn,sqlx::postgres::notice=warn",
            Command::Up(_) => "info,opentelemetry=warn,tiermesh_processing=warn",
            _ => "warn",
        });
        match self.command {
            Command::Up(args) => up::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Send(args) => send::run(args).await,
            Command::Simulate(args) => simulate::run(args),
            Command::Tail(args) => tail::run(args).await,
            Command::Explain(args) => explain::run(args).await,
            Command::Export(args) => export::run(args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Policy(args) => policy::run(args).await,
            Command::Logic(args) => logic::run(args).await,
            Command::Keys(args) => keys::run(args).await,
            Command::Topics(args) => topics::run(args).await,
            Command::DeadLetters(args) => dead_letters::run(args).await,
            Command::Console(args) => console::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Healthcheck(args) => healthcheck::run(args).await,
            Command::Completions(args) => Ok(manual::completions(&args)),
            Command::Man(args) => manual::man(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    fn every_command(command: &clap::Command, path: &str, look: &mut impl FnMut(&str, &clap::Command)) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let path = format!("{path} {}", inner.get_name());
            look(&path, inner);
            every_command(inner, &path, look);
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_has_an_example_that_the_command_takes() {
        let mut examples = 0;
        every_command(&Cli::command(), "tiermesh", &mut |path, command| {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let of_command = after.lines().filter(|line| line.trim().starts_with(path)).collect::<Vec<_>>();
            assert!(!of_command.is_empty(), "{path} --help has no example of it: {after:?}");
            for line in of_command {
                let line = line.split(['|', '>']).next().unwrap_or_default();
                for part in line.split("&&").filter(|part| part.trim().starts_with("tiermesh")) {
                    let parsed = Cli::command().try_get_matches_from(part.split_whitespace());
                    assert!(parsed.is_ok(), "{part}: {}", parsed.unwrap_err());
                    examples += 1;
                }
            }
        });
        assert!(examples > 10, "{examples} examples only");
    }
}
