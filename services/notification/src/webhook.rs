//! One attempt by webhook, signed as Standard Webhooks says.

use std::{error::Error, time::Duration};

use reqwest::{Client, Response, StatusCode, Url, header::RETRY_AFTER, redirect::Policy};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use tiermesh_service_host::{install_tls, telemetry::TRACEPARENT};
use tiermesh_store::DueDelivery;

use crate::patience::Failure;

/// So much of an answer is kept as the reason of a failure.
const MOST_REASON: usize = 200;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The client of all webhooks. `limit`: how long an attempt may take, the answer included.
pub(crate) fn client(limit: Duration) -> Result<Client, reqwest::Error> {
    install_tls();
    Client::builder()
        .timeout(limit)
        .connect_timeout(CONNECT_WITHIN)
        // What was signed for one address is not for another.
        .redirect(Policy::none())
        .user_agent(concat!("tiermesh/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Sends it, and waits for the answer.
pub(crate) async fn send(
    client: &Client,
    url: &Url,
    signers: &[Webhook],
    due: &DueDelivery,
    traceparent: Option<&str>,
) -> Result<(), Failure> {
    let timestamp = due.now_ms / 1_000;
    let signatures = signers.iter().map(|signer| signer.sign(&due.id, timestamp, due.body.as_bytes()));
    let signatures: Vec<String> = signatures.collect::<Result<_, _>>().map_err(|error| failure(error.to_string()))?;
    let mut request = client
        .post(url.clone())
        .header("content-type", "application/json")
        .header(HEADER_WEBHOOK_ID, &due.id)
        .header(HEADER_WEBHOOK_TIMESTAMP, timestamp)
        .header(HEADER_WEBHOOK_SIGNATURE, signatures.join(" "))
        .body(due.body.clone());
    if let Some(traceparent) = traceparent {
        request = request.header(TRACEPARENT, traceparent);
    }
    // Without the address, which may be a secret.
    let answer = request.send().await.map_err(|error| failure(describe(&error.without_url())))?;
    if answer.status().is_success() { Ok(()) } else { Err(refused(answer, due.now_ms).await) }
}

async fn refused(mut answer: Response, now_ms: i64) -> Failure {
    let status = answer.status();
    let header = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|text| retry_after(text, now_ms));
    let mut body = Vec::new();
    while body.len() < MOST_REASON {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    let text: String = String::from_utf8_lossy(&body).chars().take(MOST_REASON).collect();
    let text: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let text = text.trim();
    let reason = if text.is_empty() { status.to_string() } else { format!("{status}: {text}") };
    Failure { reason, gone: status == StatusCode::GONE, retry_after }
}

/// Seconds, or a date.
fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(at.saturating_sub(Duration::from_millis(u64::try_from(now_ms).ok()?)))
}

fn failure(reason: String) -> Failure {
    Failure { reason, gone: false, retry_after: None }
}

/// An error with its causes: by itself it only says that a request failed.
fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_how_long_to_wait_in_seconds_or_by_a_date() {
        let now_ms = 784_111_777_000;
        assert_eq!(retry_after(" 120", now_ms), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now_ms), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now_ms), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now_ms), None);
        assert_eq!(retry_after("-1", now_ms), None);
    }
}
