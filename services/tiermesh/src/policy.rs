//! `tiermesh policy`: checks policy files, and puts them in force.

use std::process::ExitCode;

use clap::Subcommand;
use tiermesh_domain::policy::{self, Document};

use crate::{cli::CommandError, ready, send::KeyArgs};

/// Checks policy files, and puts them in force.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh policy check ./draft.toml && tiermesh policy activate ./draft.toml")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says what is wrong with policy files, with line and column.
    #[command(after_help = "Example:\n  tiermesh policy check ./draft.toml")]
    Check {
        /// Policy files, or names of ready policies.
        #[arg(required = true)]
        files: Vec<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Puts policies in force, from the next record on.
    #[command(after_help = "Example:\n  tiermesh policy activate scorecard ./draft.toml --to http://127.0.0.1:7171")]
    Activate {
        /// Policy files, or names of ready policies.
        #[arg(required = true)]
        files: Vec<String>,
        /// Where ingest listens.
        #[arg(long, value_name = "URL", env = "TIERMESH_URL", default_value = crate::send::DEFAULT_URL)]
        to: String,
        #[command(flatten)]
        key: KeyArgs,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs it: 0 if all is well, 1 otherwise.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    match args.command {
        Command::Check { files, json } => Ok(check(&files, json)),
        Command::Activate { files, to, key, json } => {
            for file in files {
                let answer = activate(&to, &key, &file, &ready::text_of(&file)?).await?;
                if json {
                    println!("{answer}");
                } else {
                    println!("{file}: {}", answer["status"].as_str().unwrap_or("in force"));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(files: &[String], json: bool) -> ExitCode {
    let mut wrong = false;
    for file in files {
        let checked = ready::text_of(file).and_then(|text| {
            let document = policy::parse(&text)
                .map_err(|error| format!("{file}:{}:{}: {}", error.line, error.column, error.message))?;
            Ok(match document {
                Document::Tiers(policy) => (policy.name, policy.version, "tiers"),
                Document::Detectors(settings) => (settings.name, settings.version, "loss-signals"),
            })
        });
        wrong |= checked.is_err();
        match (checked, json) {
            (Ok((name, version, kind)), false) => println!("{file}: {name} version {version} ({kind}) is well"),
            (Err(error), false) => eprintln!("{error}"),
            (Ok((name, version, kind)), true) => {
                println!("{}", serde_json::json!({"file": file, "name": name, "version": version, "kind": kind}));
            }
            (Err(error), true) => println!("{}", serde_json::json!({"file": file, "error": error})),
        }
    }
    ExitCode::from(u8::from(wrong))
}

/// Puts one policy in force through ingest; its answer.
pub async fn activate(to: &str, key: &KeyArgs, file: &str, text: &str) -> Result<serde_json::Value, CommandError> {
    let asked = ask_ingest(to, key, |client, to| {
        let request = client.post(format!("{to}/v1/policies")).header("content-type", "application/toml");
        request.body(text.to_owned())
    });
    asked.await.map_err(|error| match error {
        AskError::Refused { place, reason, status } => format!("{file}{place}: {reason} (HTTP {status})").into(),
        other => other.into(),
    })
}

/// Why ingest gave no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The address is none.
    #[error("--to {0:?}: expected http://HOST:PORT; did you mean --to http://{0}?")]
    Address(String),
    /// Nobody answers there.
    #[error("ingest at {to} can't be reached: {error}; is it running? name it with --to")]
    Away {
        /// Where.
        to: String,
        /// Why not.
        error: reqwest::Error,
    },
    /// It said no.
    #[error("{reason} (HTTP {status})")]
    Refused {
        /// `:LINE:COLUMN` of what was sent, if the reason lies there.
        place: String,
        /// Why.
        reason: String,
        /// HTTP's number for it.
        status: u16,
    },
}

/// Asks ingest, showing the key; its answer.
pub async fn ask_ingest(
    to: &str,
    key: &KeyArgs,
    request: impl FnOnce(reqwest::Client, &str) -> reqwest::RequestBuilder,
) -> Result<serde_json::Value, AskError> {
    if !to.starts_with("http://") && !to.starts_with("https://") {
        return Err(AskError::Address(to.to_owned()));
    }
    let request = key.show(request(reqwest::Client::new(), to.trim_end_matches('/')));
    let response = request.send().await.map_err(|error| AskError::Away { to: to.to_owned(), error })?;
    let status = response.status();
    let answer: serde_json::Value = response.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let error = &answer["error"];
    let place = match (error["line"].as_u64(), error["column"].as_u64()) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        _ => String::new(),
    };
    let reason = error["reason"].as_str().unwrap_or("ingest refused it").to_owned();
    Err(AskError::Refused { place, reason, status: status.as_u16() })
}
