//! What ingest answers when it can't do what it was asked, and what the asker can do about it.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tiermesh_domain::{fact::Refusal, policy::PolicyError, time::Millis};
use tiermesh_event_log::LogError;

/// Why a request was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Denial {
    /// The log did not take it, or not in time. Part of it may stand in the log: repeating is safe.
    #[error("the log did not acknowledge: {0}; send it again, what is known already counts once")]
    LogUnavailable(String),
    /// The control keeper stopped in the middle.
    #[error("this instance stopped holding control; send it again")]
    Interrupted,
    /// Only the instance that holds control can do it.
    #[error("this instance doesn't hold control, and the mesh isn't live yet; try again, or ask another instance")]
    NotHolder,
    /// The service has not read `control` yet.
    #[error("starting: `control` is not read yet")]
    Starting,
    /// Ordinary events wait while history is loaded.
    #[error("history is being loaded; end its session before sending other events")]
    HistoryLoading,
    /// Another history session is open.
    #[error("another history session is open; it may be taken over once it was silent for {0} s")]
    SessionOpen(u64),
    /// A history session is not, or no longer, open.
    #[error("no such history session is open: it ended, or was taken over")]
    NoSession,
    /// Another request is writing to the session.
    #[error("another request of this history session is running")]
    SessionBusy,
    /// The mesh is live.
    #[error("the mesh is live; history can only be loaded before")]
    Live,
    /// History waits for scoring.
    #[error("no cut-points as of {as_of} for {missing}: scoring has not answered: is it running?")]
    CutPointsMissing {
        /// The tick.
        as_of: String,
        /// The policies.
        missing: String,
    },
    /// A fact of a history is not where it has to be.
    #[error("line {line}: out of order: {reason}")]
    OutOfOrder {
        /// Its line in the request, from 1.
        line: u64,
        /// What it has to come after.
        reason: String,
    },
    /// The history can't end there.
    #[error("until: {0}")]
    Until(String),
    /// Too much at once.
    #[error("{0}")]
    TooLarge(String),
    /// A content type that isn't taken.
    #[error(
        "content type {0:?} is not taken; send application/cloudevents+json, application/cloudevents-batch+json, \
         application/x-ndjson, application/json, or application/json with ce- headers"
    )]
    ContentType(String),
    /// The event is bad.
    #[error("{0}")]
    Event(Refusal),
    /// The policy is bad.
    #[error("{0}")]
    Policy(PolicyError),
    /// The policy's version is not above the one in force.
    #[error("policy `{name}`: version {sent} is not above version {active}, which is in force; raise `version`")]
    OldVersion {
        /// The policy.
        name: String,
        /// What was sent.
        sent: u32,
        /// What is in force.
        active: u32,
    },
    /// The name belongs to a document of another kind.
    #[error("the name `{0}` belongs to an active document of another kind; choose another")]
    NameTaken(String),
    /// The request can't be read.
    #[error("{0}")]
    BadRequest(String),
}

impl From<LogError> for Denial {
    fn from(error: LogError) -> Self {
        Self::LogUnavailable(error.to_string())
    }
}

impl Denial {
    /// That a tick's cut-points are missing.
    pub(crate) fn cut_points_missing(as_of: Millis, missing: &[(String, u32)]) -> Self {
        let missing: Vec<String> = missing.iter().map(|(policy, version)| format!("{policy} v{version}")).collect();
        Self::CutPointsMissing { as_of: tiermesh_domain::time::format_instant(as_of), missing: missing.join(", ") }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::LogUnavailable(_)
            | Self::Interrupted
            | Self::NotHolder
            | Self::Starting
            | Self::HistoryLoading
            | Self::CutPointsMissing { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::SessionOpen(_) | Self::SessionBusy | Self::Live | Self::OldVersion { .. } | Self::NameTaken(_) => {
                StatusCode::CONFLICT
            }
            Self::NoSession => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::OutOfOrder { .. } | Self::Until(_) | Self::Event(_) | Self::Policy(_) | Self::BadRequest(_) => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// A word for programs: which of the denials it is.
    fn code(&self) -> &'static str {
        match self {
            Self::LogUnavailable(_) => "log-unavailable",
            Self::Interrupted => "interrupted",
            Self::NotHolder => "not-holder",
            Self::Starting => "starting",
            Self::HistoryLoading => "history-loading",
            Self::SessionOpen(_) => "session-open",
            Self::NoSession => "no-session",
            Self::SessionBusy => "session-busy",
            Self::Live => "live",
            Self::CutPointsMissing { .. } => "cut-points-missing",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::Until(_) => "until",
            Self::TooLarge(_) => "too-large",
            Self::ContentType(_) => "content-type",
            Self::Event(_) => "event",
            Self::Policy(_) => "policy",
            Self::OldVersion { .. } => "old-version",
            Self::NameTaken(_) => "name-taken",
            Self::BadRequest(_) => "bad-request",
        }
    }

    fn retry_after(&self) -> Option<HeaderValue> {
        let seconds = match self {
            Self::NotHolder | Self::Starting | Self::Interrupted | Self::SessionBusy => "1",
            Self::LogUnavailable(_) | Self::HistoryLoading | Self::CutPointsMissing { .. } => "5",
            _ => return None,
        };
        Some(HeaderValue::from_static(seconds))
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let error = match &self {
            Self::Event(refusal) => json!({"code": self.code(), "field": refusal.field, "reason": refusal.reason}),
            Self::Policy(error) => {
                json!({"code": self.code(), "line": error.line, "column": error.column, "reason": error.message})
            }
            other => json!({"code": other.code(), "reason": other.to_string()}),
        };
        let mut response = (self.status(), Json(json!({"error": error}))).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}
