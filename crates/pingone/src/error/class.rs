//! Classes of PingOne's refusals (connector-model.md §9): by the body's code first, then by the status. The status inside
//! the 4xx class may change for the same fault, and the code does not (pingone-api.md §3.2); under any other status a code
//! that refuses says nothing of what PingOne did.

use std::time::Duration;

use process::error::ErrorClass;

pub(super) fn api_class(status: u16, code: &str, detail: Option<&str>, retry_after: Option<Duration>) -> ErrorClass {
    match (code, detail) {
        ("UNEXPECTED_ERROR" | "SERVICE_UNAVAILABLE", _) if status != 501 => ErrorClass::Transient { retry_after },
        _ if !is_refusal(status) => status_class(status, retry_after),
        (_, Some("UNIQUENESS_VIOLATION")) => ErrorClass::AlreadyExists,
        // Only this says that it is the token. Without a detail a right is missing, whatever the status.
        ("INVALID_TOKEN", _) | (_, Some("INVALID_TOKEN")) => ErrorClass::Auth,
        ("ACCESS_FAILED", _) => ErrorClass::Forbidden,
        ("NOT_FOUND", _) => ErrorClass::NotFound,
        ("INVALID_DATA", _) => ErrorClass::Rejected,
        ("REQUEST_LIMITED", _) => ErrorClass::Throttled { retry_after },
        _ => status_class(status, retry_after),
    }
}

/// A status of the class in which PingOne refuses.
pub(super) fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status)
}

pub(super) fn status_class(status: u16, retry_after: Option<Duration>) -> ErrorClass {
    match status {
        401 => ErrorClass::Auth,
        403 => ErrorClass::Forbidden,
        404 => ErrorClass::NotFound,
        408 | 500 | 502..=599 => ErrorClass::Transient { retry_after },
        409 => ErrorClass::AlreadyExists,
        429 => ErrorClass::Throttled { retry_after },
        501 => ErrorClass::Unsupported,
        400..=499 => ErrorClass::Rejected,
        _ => ErrorClass::Corrupt,
    }
}
