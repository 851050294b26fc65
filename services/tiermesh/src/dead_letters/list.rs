//! `dead-letters list`: which there are, as a table or as JSON lines.

use std::{io::Write, process::ExitCode};

use comfy_table::{Table, presets::NOTHING};
use tiermesh_domain::time::{Millis, format_instant, parse_instant};

use super::letters::Letter;
use crate::cli::CommandError;

/// Which letters to list.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Of this source only; a star at its end stands for any ending.
    #[arg(long)]
    source: Option<String>,
    /// Received from then on.
    #[arg(long, value_name = "INSTANT")]
    since: Option<String>,
    /// For this field only, as `data.amount`.
    #[arg(long)]
    field: Option<String>,
    /// Also those that were dealt with.
    #[arg(long)]
    all: bool,
}

/// The same, read.
pub(super) struct Wanted {
    filter: Filter,
    since: Option<Millis>,
}

impl Filter {
    pub(super) fn checked(self) -> Result<Wanted, CommandError> {
        let since = match &self.since {
            None => None,
            Some(text) => Some(
                parse_instant(text)
                    .ok_or_else(|| format!("--since {text:?}: expected an instant such as 2026-01-01T00:00:00Z"))?,
            ),
        };
        Ok(Wanted { filter: self, since })
    }
}

impl Wanted {
    fn takes(&self, letter: &Letter) -> bool {
        let Filter { source, field, all, .. } = &self.filter;
        let of_source = |wanted: &String| match wanted.strip_suffix('*') {
            Some(beginning) => letter.letter.source.starts_with(beginning),
            None => letter.letter.source == *wanted,
        };
        (*all || letter.is_open())
            && self.since.is_none_or(|since| letter.letter.received_ms >= since)
            && source.as_ref().is_none_or(of_source)
            && field.as_ref().is_none_or(|field| letter.letter.field == *field)
    }
}

/// Prints them.
pub(super) fn list(letters: &[Letter], wanted: &Wanted, as_json: bool) -> Result<ExitCode, CommandError> {
    let letters: Vec<&Letter> = letters.iter().filter(|letter| wanted.takes(letter)).collect();
    let text = match as_json {
        true => letters.iter().map(|letter| format!("{}\n", letter.line())).collect(),
        false if letters.is_empty() => "no dead letters\n".to_owned(),
        false => format!("{}\n", table(&letters)),
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has had enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => Ok(written.map(|()| ExitCode::SUCCESS)?),
    }
}

fn table(letters: &[&Letter]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["ID", "RECEIVED", "FROM", "SOURCE", "EVENT", "SUBJECT", "REASON", "TIMES", "STATE"]);
    for letter in letters {
        let kept = &letter.letter;
        let reason = match kept.field.as_str() {
            "" => kept.reason.clone(),
            field => format!("{field}: {}", kept.reason),
        };
        table.add_row([
            letter.id.clone(),
            format_instant(kept.received_ms),
            letter.from(),
            kept.source.clone(),
            kept.id.clone(),
            kept.subject.clone(),
            reason,
            (letter.also.len() + 1).to_string(),
            letter.state().to_owned(),
        ]);
    }
    table
}
