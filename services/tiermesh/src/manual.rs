//! `tiermesh completions` and `tiermesh man`: what shells and `man` know of the command, made from its definition.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, CommandError};

/// Prints the completions of a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh completions bash > ~/.local/share/bash-completion/completions/tiermesh")]
pub struct CompletionsArgs {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes a manual page for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh man man1 && man ./man1/tiermesh.1")]
pub struct ManArgs {
    /// The directory to write to; made if need be.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Prints completions.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tiermesh", &mut text);
    // Whoever reads may have had enough.
    let _ = std::io::stdout().write_all(&text);
    ExitCode::SUCCESS
}

/// Writes manual pages.
pub fn man(args: &ManArgs) -> Result<ExitCode, CommandError> {
    let context = |error: std::io::Error| format!("{}: {error}", args.dir.display());
    std::fs::create_dir_all(&args.dir).map_err(context)?;
    clap_mangen::generate_to(Cli::command(), &args.dir).map_err(context)?;
    Ok(ExitCode::SUCCESS)
}
