//! Denials as gRPC tells them.

use std::time::Duration;

use axum::http::StatusCode;
use tonic::{Code, Status, metadata::MetadataValue};

use crate::answer::Denial;

/// The status of a denial, with its code word and, where waiting helps, how long: `retry-after` in seconds, and
/// `grpc-retry-pushback-ms`, which clients that retry by themselves obey.
pub(super) fn status_of(denial: &Denial) -> Status {
    let code = match denial.status() {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => Code::InvalidArgument,
        _ => Code::FailedPrecondition,
    };
    let mut status = Status::new(code, denial.to_string());
    let metadata = status.metadata_mut();
    metadata.insert("tiermesh-code", MetadataValue::from_static(denial.code()));
    if let Some(seconds) = denial.retry_after() {
        metadata.insert("retry-after", seconds.into());
        metadata.insert("grpc-retry-pushback-ms", (seconds * 1_000).into());
    }
    status
}

/// How long the caller waits, by `grpc-timeout`: digits and a unit.
pub(super) fn timeout(metadata: &tonic::metadata::MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataMap;

    use super::*;

    #[test]
    fn a_denial_says_when_to_come_again() {
        let wait = Duration::from_millis(1_200);
        let denial = Denial::RateLimited { sender: "source \"a\"".to_owned(), per_second: 10, wait };
        let status = status_of(&denial);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("try again in 2 s"), "{status:?}");
        let told = |name| status.metadata().get(name).unwrap().to_str().unwrap();
        assert_eq!((told("retry-after"), told("grpc-retry-pushback-ms")), ("2", "2000"));
        assert_eq!(told("tiermesh-code"), "rate-limited");
        assert_eq!(status_of(&Denial::NoKey).code(), Code::Unauthenticated);
        assert!(status_of(&Denial::NoKey).metadata().get("retry-after").is_none());
    }

    #[test]
    fn timeouts_have_a_unit() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", MetadataValue::from_static(text));
            timeout(&metadata)
        };
        assert_eq!(read("2S"), Some(Duration::from_secs(2)));
        assert_eq!(read("150m"), Some(Duration::from_millis(150)));
        assert_eq!((read("2"), read("S"), read("999999999S"), read("x")), (None, None, None, None));
        assert_eq!(timeout(&MetadataMap::new()), None);
    }
}
