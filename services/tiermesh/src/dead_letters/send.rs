//! Sending corrected events to ingest, which notes what became of the letters: it alone writes.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Ingest, letters::Letter};
use crate::{
    cli::CommandError,
    send::{Failure, Server},
};

/// Sends each in its letter's place.
pub(super) async fn send(
    letters: &[&Letter],
    events: &[Value],
    ingest: &Ingest,
    as_json: bool,
) -> Result<ExitCode, CommandError> {
    let server = Server::at(&ingest.to, &ingest.key)?;
    let mut all_taken = true;
    for (letter, event) in letters.iter().zip(events) {
        let path = format!("v1/dead-letters/{}/resolve", letter.id);
        let answer = server.post(&path, "application/cloudevents+json", event.to_string()).await;
        all_taken &= tell(&letter.id, answer, as_json)?;
    }
    Ok(if all_taken { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Notes that nothing is to come of them.
pub(super) async fn dismiss(
    ids: &[String],
    reason: &str,
    ingest: &Ingest,
    as_json: bool,
) -> Result<ExitCode, CommandError> {
    let server = Server::at(&ingest.to, &ingest.key)?;
    let mut all_taken = true;
    for id in ids {
        let path = format!("v1/dead-letters/{id}/dismiss");
        let answer = server.post(&path, "application/json", json!({"reason": reason}).to_string()).await;
        all_taken &= tell(id, answer, as_json)?;
    }
    Ok(if all_taken { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Tells what became of one; whether ingest took it. One that it denies is no reason not to go on with the next.
fn tell(id: &str, answer: Result<Value, Failure>, as_json: bool) -> Result<bool, CommandError> {
    match answer {
        Ok(answer) if as_json => println!("{answer}"),
        Ok(answer) => match answer["event"].as_str() {
            Some(became) => println!("{id}: resolved, its event is {became}"),
            None => println!("{id}: dismissed"),
        },
        Err(Failure::Denied { reason, .. }) => {
            if as_json {
                println!("{}", json!({"denied": id, "reason": reason}));
            } else {
                eprintln!("{id}: {reason}");
            }
            return Ok(false);
        }
        Err(failure) => return Err(failure.into()),
    }
    Ok(true)
}
