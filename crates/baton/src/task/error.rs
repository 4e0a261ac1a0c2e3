//! How a task fails: a gRPC code by number, a message, structured details, and whether C1 may try again.

use std::time::Duration;

use super::RateLimit;
use process::error::ErrorClass;

/// A gRPC status code (c1-protocol.md §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Code {
    /// 1
    Cancelled = 1,
    /// 2
    Unknown = 2,
    /// 3
    InvalidArgument = 3,
    /// 4
    DeadlineExceeded = 4,
    /// 5
    NotFound = 5,
    /// 6
    AlreadyExists = 6,
    /// 7
    PermissionDenied = 7,
    /// 8
    ResourceExhausted = 8,
    /// 9
    FailedPrecondition = 9,
    /// 10
    Aborted = 10,
    /// 11
    OutOfRange = 11,
    /// 12
    Unimplemented = 12,
    /// 13
    Internal = 13,
    /// 14
    Unavailable = 14,
    /// 15
    DataLoss = 15,
    /// 16
    Unauthenticated = 16,
}

impl Code {
    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// A structured detail of an error (c1-protocol.md §8.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// The connector declines the grant on purpose: becomes an `ErrorInfo`.
    GrantDeclined {
        /// Why, for people.
        reason: String,
    },
    /// The target system limits our rate.
    RateLimited(RateLimit),
    /// A detail of an answer that C1 gave us, passed back as it came (c1-protocol.md §8.3).
    Passed {
        /// The type of the message.
        type_url: String,
        /// The message, encoded.
        value: Vec<u8>,
    },
}

/// The failure of one task.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    pub code: Code,
    /// For people; never a secret.
    pub message: String,
    /// C1 must not try again. The dispatcher sets it for the kinds that say so (c1-protocol.md §9.1).
    pub non_retryable: bool,
    /// Structured details.
    pub details: Vec<Detail>,
}

impl From<ErrorClass> for Code {
    /// The table of connector-model.md §9.
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Transient { .. } | ErrorClass::Throttled { .. } => Self::Unavailable,
            ErrorClass::Auth => Self::Unauthenticated,
            ErrorClass::Forbidden => Self::PermissionDenied,
            ErrorClass::Rejected => Self::InvalidArgument,
            ErrorClass::Precondition => Self::FailedPrecondition,
            ErrorClass::AlreadyExists => Self::AlreadyExists,
            ErrorClass::NotFound => Self::NotFound,
            ErrorClass::Cancelled => Self::Cancelled,
            ErrorClass::Unsupported => Self::Unimplemented,
            ErrorClass::Corrupt | ErrorClass::Local | ErrorClass::Bug => Self::Internal,
        }
    }
}

impl TaskError {
    /// An error that C1 may try again.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            non_retryable: false,
            details: Vec::new(),
        }
    }

    /// The same error, not to be tried again.
    #[must_use]
    pub fn non_retryable(mut self) -> Self {
        self.non_retryable = true;
        self
    }

    /// The same error with a detail.
    #[must_use]
    pub fn with(mut self, detail: Detail) -> Self {
        self.details.push(detail);
        self
    }

    /// The task was ended by C1, by a lost heartbeat or by our shutdown: always code 1 (c1-protocol.md §7.5).
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(Code::Cancelled, message)
    }

    /// The connector declines a grant on purpose (c1-protocol.md §8.5).
    pub fn declined(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::new(Code::FailedPrecondition, reason.clone()).with(Detail::GrantDeclined { reason })
    }

    /// From one of our classes.
    pub fn from_class(class: ErrorClass, message: impl Into<String>) -> Self {
        let error = Self::new(class.into(), message);
        match class {
            ErrorClass::Throttled { retry_after } => error.with(Detail::RateLimited(RateLimit {
                limit: 1,
                remaining: 0,
                reset_after: retry_after.unwrap_or(Duration::from_mins(1)),
                over: true,
            })),
            _ => error,
        }
    }

    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self.code {
            Code::Cancelled => ErrorClass::Cancelled,
            Code::InvalidArgument | Code::OutOfRange => ErrorClass::Rejected,
            Code::DeadlineExceeded | Code::Unavailable | Code::Aborted => ErrorClass::Transient { retry_after: None },
            Code::NotFound => ErrorClass::NotFound,
            Code::AlreadyExists => ErrorClass::AlreadyExists,
            Code::PermissionDenied | Code::ResourceExhausted => ErrorClass::Forbidden,
            Code::FailedPrecondition => ErrorClass::Precondition,
            Code::Unimplemented => ErrorClass::Unsupported,
            Code::Unauthenticated => ErrorClass::Auth,
            Code::DataLoss => ErrorClass::Corrupt,
            Code::Unknown | Code::Internal => ErrorClass::Bug,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttled_call_is_unavailable_and_carries_the_rate_limit() {
        let error = TaskError::from_class(
            ErrorClass::Throttled {
                retry_after: Some(Duration::from_secs(7)),
            },
            "too fast",
        );
        assert_eq!(error.code.number(), 14);
        assert!(
            matches!(&error.details[..], [Detail::RateLimited(limit)] if limit.reset_after == Duration::from_secs(7))
        );
    }

    #[test]
    fn classes_become_the_codes_of_the_contract() {
        for (class, code) in [
            (ErrorClass::Transient { retry_after: None }, 14),
            (ErrorClass::Auth, 16),
            (ErrorClass::Forbidden, 7),
            (ErrorClass::Rejected, 3),
            (ErrorClass::Precondition, 9),
            (ErrorClass::AlreadyExists, 6),
            (ErrorClass::NotFound, 5),
            (ErrorClass::Cancelled, 1),
            (ErrorClass::Corrupt, 13),
            (ErrorClass::Unsupported, 12),
        ] {
            assert_eq!(TaskError::from_class(class, "").code.number(), code, "{class:?}");
        }
    }
}
