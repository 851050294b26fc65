//! What ingest answers when it can't do what it was asked, and what the asker can do about it.

use std::time::Duration;

use axum::{
    Json,
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
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
    #[error(
        "history is being loaded; `tiermesh send --history` without --more ends it, and so does POST /v1/live once its \
         session was silent for a while"
    )]
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
    /// This release can't fold so.
    #[error("logic {sent} is not known to this release, which knows {known:?}; roll out a release that knows it first")]
    UnknownLogic {
        /// What was asked for.
        sent: u32,
        /// What there is.
        known: &'static [u32],
    },
    /// What is folded so can't be folded as before again.
    #[error("logic {active} is in force, and logic {sent} is below it: there is no way back")]
    OldLogic {
        /// What was asked for.
        sent: u32,
        /// What is in force.
        active: u32,
    },
    /// The name belongs to a document of another kind.
    #[error("the name `{0}` belongs to an active document of another kind; choose another")]
    NameTaken(String),
    /// No dead letter has that id.
    #[error("there is no dead letter {0}; `tiermesh dead-letters list` shows those there are")]
    NoSuchLetter(String),
    /// The request can't be read.
    #[error("{0}")]
    BadRequest(String),
    /// The body didn't come to its end in time.
    #[error("the body did not come to its end within {0} s; send it again, at once or in smaller parts")]
    TooSlow(u64),
    /// No key was sent.
    #[error("an API key is needed, as `Authorization: Bearer tmk_…`; `tiermesh keys create` makes one")]
    NoKey,
    /// A key that opens nothing.
    #[error("the API key {0}; `tiermesh keys list` shows those there are, `tiermesh keys create` makes one")]
    BadKey(&'static str),
    /// The keys can't be read.
    #[error("API keys can't be checked now: the database has not answered for a while; try again")]
    KeysUnavailable,
    /// The key is not for that.
    #[error("the API key `{key}` is not for this; a key for it is made by `tiermesh keys create --scopes {scope}`")]
    Forbidden {
        /// The key's name.
        key: String,
        /// What it lacks.
        scope: String,
    },
    /// The key is not for that source.
    #[error("{0}")]
    ForbiddenSource(Refusal),
    /// Too many events in a short time.
    #[error("{sender} may send {per_second} events per second and has sent them; nothing of this was taken, try again in {} s", seconds(*wait))]
    RateLimited {
        /// Whose limit it is.
        sender: String,
        /// The limit.
        per_second: u32,
        /// When it would be taken.
        wait: Duration,
    },
    /// More events than could ever be taken at once.
    #[error(
        "{sender} may send {burst} events at once, and these are {count}; send smaller batches, or a stream \
         (application/x-ndjson), which is slowed down instead"
    )]
    LargerThanBurst {
        /// Whose limit it is.
        sender: String,
        /// Events in the request.
        count: u32,
        /// The limit.
        burst: u32,
    },
    /// There is no room.
    #[error("too many {0} are being taken in at once; nothing of this was taken, try again")]
    Busy(&'static str),
    /// Nothing is there.
    #[error("there is nothing at {path}; there are: {known}")]
    NoSuchPath {
        /// What was asked for.
        path: String,
        /// What exists.
        known: String,
    },
    /// Not in this way.
    #[error("{method} is not for {path}; there are: {known}")]
    Method {
        /// The method.
        method: String,
        /// What was asked for.
        path: String,
        /// What exists.
        known: String,
    },
}

/// Rounded up, and at least one.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero())
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

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::LogUnavailable(_)
            | Self::Interrupted
            | Self::NotHolder
            | Self::Starting
            | Self::HistoryLoading
            | Self::KeysUnavailable
            | Self::Busy(_)
            | Self::CutPointsMissing { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoKey | Self::BadKey(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::ForbiddenSource(_) => StatusCode::FORBIDDEN,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::SessionOpen(_)
            | Self::SessionBusy
            | Self::Live
            | Self::OldVersion { .. }
            | Self::UnknownLogic { .. }
            | Self::OldLogic { .. }
            | Self::NameTaken(_) => StatusCode::CONFLICT,
            Self::NoSession | Self::NoSuchLetter(_) | Self::NoSuchPath { .. } => StatusCode::NOT_FOUND,
            Self::TooLarge(_) | Self::LargerThanBurst { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::OutOfOrder { .. } | Self::Until(_) | Self::Event(_) | Self::Policy(_) | Self::BadRequest(_) => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// A word for programs: which of the denials it is.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::LogUnavailable(_) => "log-unavailable",
            Self::Interrupted => "interrupted",
            Self::NotHolder => "not-holder",
            Self::Starting => "starting",
            Self::HistoryLoading => "history-loading",
            Self::SessionOpen(_) => "session-open",
            Self::NoSession => "no-session",
            Self::NoSuchLetter(_) => "no-such-letter",
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
            Self::UnknownLogic { .. } => "unknown-logic",
            Self::OldLogic { .. } => "old-logic",
            Self::NameTaken(_) => "name-taken",
            Self::BadRequest(_) => "bad-request",
            Self::TooSlow(_) => "too-slow",
            Self::NoKey => "no-key",
            Self::BadKey(_) => "bad-key",
            Self::KeysUnavailable => "keys-unavailable",
            Self::Forbidden { .. } => "forbidden",
            Self::ForbiddenSource(_) => "forbidden-source",
            Self::RateLimited { .. } => "rate-limited",
            Self::LargerThanBurst { .. } => "larger-than-burst",
            Self::Busy(_) => "busy",
            Self::NoSuchPath { .. } => "no-such-path",
            Self::Method { .. } => "method",
        }
    }

    /// When to try again, in seconds; nothing where waiting doesn't help.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { wait, .. } => Some(seconds(*wait)),
            Self::NotHolder | Self::Starting | Self::Interrupted | Self::SessionBusy | Self::Busy(_) => Some(1),
            Self::LogUnavailable(_) | Self::HistoryLoading | Self::CutPointsMissing { .. } | Self::KeysUnavailable => {
                Some(5)
            }
            _ => None,
        }
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let error = match &self {
            Self::Event(refusal) | Self::ForbiddenSource(refusal) => {
                json!({"code": self.code(), "field": refusal.field, "reason": refusal.reason})
            }
            Self::Policy(error) => {
                json!({"code": self.code(), "line": error.line, "column": error.column, "reason": error.message})
            }
            other => json!({"code": other.code(), "reason": other.to_string()}),
        };
        let mut response = (self.status(), Json(json!({"error": error}))).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tiermesh\""));
        }
        response
    }
}
