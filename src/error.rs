//! The one classification that every border error answers: retry, task outcome, metric label and log level all
//! come from it, never from an error's text.

use std::time::Duration;

/// What kind of failure an error is (connector-model.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// May succeed when tried again: network, 5xx, time-outs. `retry_after` is the remote's own wish, if it named one.
    Transient {
        /// How long the remote asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Refused for its rate (HTTP 429). `retry_after` is what the remote asked for.
    Throttled {
        /// How long the remote asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Credentials were refused.
    Auth,
    /// We may not do this: a role or a right is missing.
    Forbidden,
    /// Refused for what was asked: bad input, or a rule of ours or of the remote's.
    Rejected,
    /// The state does not allow it (gRPC `FailedPrecondition`).
    Precondition,
    /// Such a thing exists already.
    AlreadyExists,
    /// The object is not there, or not visible to us.
    NotFound,
    /// Somebody ended the work.
    Cancelled,
    /// The remote's answer, or a file, is not what it must be.
    Corrupt,
    /// The remote or we do not know how to do this (HTTP 501, gRPC `Unimplemented`).
    Unsupported,
    /// The machine refuses: disk full, no permission, file in use.
    Local,
    /// A fault of this program.
    Bug,
}

impl ErrorClass {
    /// A bounded label for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient { .. } => "transient",
            Self::Throttled { .. } => "throttled",
            Self::Auth => "auth",
            Self::Forbidden => "forbidden",
            Self::Rejected => "rejected",
            Self::Precondition => "precondition",
            Self::AlreadyExists => "already_exists",
            Self::NotFound => "not_found",
            Self::Cancelled => "cancelled",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Local => "local",
            Self::Bug => "bug",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Transient { .. } | Self::Throttled { .. })
    }
}
