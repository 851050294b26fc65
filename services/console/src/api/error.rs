//! What the API answers when it can't answer: which field is wrong, and what to do.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tiermesh_store::StoreError;

use crate::{explain::ExplainError, live::ListenError};

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A parameter is wrong.
    #[error("{reason}")]
    Parameter {
        /// Which.
        field: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// Try again later.
    #[error("{0}")]
    Busy(String),
    /// A person is needed.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    pub(crate) fn parameter(field: &str, reason: impl Into<String>) -> Self {
        Self::Parameter { field: field.to_owned(), reason: reason.into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            // Where the database is, is not for everybody who asks.
            StoreError::Unavailable(reason) => {
                tracing::warn!("the read model can't be asked: {reason}");
                Self::Busy("the database is not available; try again".to_owned())
            }
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<ExplainError> for Failure {
    fn from(error: ExplainError) -> Self {
        match error {
            ExplainError::Store(error) => error.into(),
            other => Self::Broken(format!("this customer can't be explained: {other}")),
        }
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        match error {
            ListenError::Store(error) => error.into(),
            ListenError::TooMany => Self::Busy(error.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::Parameter { .. } => (StatusCode::BAD_REQUEST, "bad-parameter"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "not-found"),
            Self::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Broken(_) => (StatusCode::INTERNAL_SERVER_ERROR, "broken"),
        };
        let error = match &self {
            Self::Parameter { field, reason } => json!({"code": code, "field": field, "reason": reason}),
            other => json!({"code": code, "reason": other.to_string()}),
        };
        let mut response = (status, Json(json!({"error": error}))).into_response();
        if matches!(self, Self::Busy(_)) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
