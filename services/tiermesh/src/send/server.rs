//! Talking to ingest: a request either succeeds, may succeed later, or is denied.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use reqwest::{Client, StatusCode, Url, header::RETRY_AFTER};
use serde_json::Value;

use super::key::KeyArgs;

/// How long an answer may take. Ingest gives up on its log after 30 s, on cut-points after 60 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(600);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Why a request did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failure {
    /// It may succeed later.
    #[error("{reason}")]
    Transient {
        /// Why it failed.
        reason: String,
        /// Which of ingest's denials it is; empty if ingest didn't answer.
        code: String,
        /// When to try again, if ingest said so.
        after: Option<Duration>,
    },
    /// Nobody answers there.
    #[error("{reason}")]
    Unreached {
        /// Why.
        reason: String,
    },
    /// It will not succeed.
    #[error("{reason}")]
    Denied {
        /// Why.
        reason: String,
        /// Which of ingest's denials it is.
        code: String,
    },
}

impl Failure {
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Transient { code, .. } | Self::Denied { code, .. } => code,
            Self::Unreached { .. } => "",
        }
    }
}

/// An ingest.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    client: Client,
    base: Url,
    key: KeyArgs,
}

impl Server {
    pub(crate) fn at(url: &str, key: &KeyArgs) -> Result<Self, String> {
        let base = Url::parse(url).map_err(|error| {
            format!("--to {url:?}: {error}; expected http://HOST:PORT; did you mean --to http://{url}?")
        })?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(format!("--to {url:?}: expected http://HOST:PORT; did you mean --to http://{url}?"));
        }
        // A connection for each request: behind a load balancer the next try may so reach the instance that can do it.
        tiermesh_service_host::install_tls();
        let client = Client::builder().connect_timeout(CONNECT_LIMIT).timeout(ANSWER_LIMIT).pool_max_idle_per_host(0);
        let client = client.build();
        Ok(Self { client: client.map_err(|error| error.to_string())?, base, key: key.clone() })
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Result<Value, Failure> {
        let url = format!("{}/{path}", self.base.as_str().trim_end_matches('/'));
        let request = self.client.post(url).header("content-type", content_type).body(body.into());
        let response = self.key.show(request).send().await.map_err(|error| self.lost(&error))?;
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.text().await.map_err(|error| self.lost(&error))?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let told = |field: &str| body["error"][field].as_str().map(str::to_owned);
        let reason = told("reason").unwrap_or_else(|| format!("{} answered {status}: {}", self.base, text.trim()));
        let reason = match told("field").filter(|field| !field.is_empty()) {
            Some(field) => format!("{field}: {reason}"),
            None => reason,
        };
        let code = told("code").unwrap_or_default();
        let again = matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::GATEWAY_TIMEOUT
        );
        Err(if again {
            Failure::Transient { reason, code, after: after.map(Duration::from_secs) }
        } else {
            Failure::Denied { reason, code }
        })
    }

    fn lost(&self, error: &reqwest::Error) -> Failure {
        // What went wrong on the wire is the innermost cause.
        let mut cause: &dyn Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let reason = format!("{} can't be reached: {cause}; is ingest running there?", self.base);
        if error.is_connect() {
            let hint = "start it with `tiermesh up`, name another with --to, or wait for it with --retry-for SECONDS";
            return Failure::Unreached { reason: format!("{reason} {hint}") };
        }
        Failure::Transient { reason, code: String::new(), after: None }
    }
}
