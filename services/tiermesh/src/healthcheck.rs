//! `tiermesh healthcheck`: whether a service is ready, as an exit code; for containers that have no other client.

use std::{process::ExitCode, time::Duration};

use serde_json::{Value, json};

use crate::cli::CommandError;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Asks a service whether it is ready: exit status 0 if it is, 1 if not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tiermesh healthcheck --url http://127.0.0.1:7172/readyz")]
pub struct Args {
    /// What to ask: the service's /readyz, or /healthz for whether it lives at all.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7171/readyz")]
    url: String,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// What a service answers about its health.
pub struct Answer {
    /// It is well.
    pub well: bool,
    /// What it says, or why it says nothing.
    pub said: String,
    /// What is wrong while the rest of it goes on.
    pub troubles: Vec<String>,
}

impl Answer {
    fn none() -> Self {
        Self { well: false, said: String::new(), troubles: Vec::new() }
    }
}

/// Runs it.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let answer = ask(&args.url).await;
    if args.json {
        println!("{}", json!({"url": args.url, "well": answer.well, "said": answer.said, "troubles": answer.troubles}));
    } else {
        println!("{}: {}", args.url, answer.said);
        answer.troubles.iter().for_each(|trouble| println!("  {trouble}"));
    }
    Ok(ExitCode::from(u8::from(!answer.well)))
}

/// Asks once.
pub async fn ask(url: &str) -> Answer {
    let client = reqwest::Client::builder().timeout(LIMIT).build();
    let asked = async { client?.get(url).send().await };
    match asked.await {
        Ok(response) => {
            let (status, body) = (response.status(), response.json::<Value>().await.unwrap_or_default());
            let listed = |key: &str| {
                let texts = body[key].as_array().into_iter().flatten().filter_map(Value::as_str);
                texts.map(str::to_owned).collect::<Vec<_>>()
            };
            let waiting = listed("waiting").join(", ");
            let said = match (status.is_success(), waiting.is_empty()) {
                (true, _) => "ready".to_owned(),
                (false, true) => format!("answers {status}"),
                (false, false) => format!("not ready: waits for {waiting}"),
            };
            Answer { well: status.is_success(), said, troubles: listed("troubles") }
        }
        Err(error) if error.is_builder() => {
            Answer { said: format!("{error}; expected http://HOST:PORT/readyz"), ..Answer::none() }
        }
        Err(error) => {
            let why =
                if error.is_timeout() { format!("within {} s", LIMIT.as_secs()) } else { "(not reached)".to_owned() };
            Answer { said: format!("no answer {why}; is it running there?"), ..Answer::none() }
        }
    }
}
