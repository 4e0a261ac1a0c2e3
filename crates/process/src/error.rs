//! The one classification that every border error answers: retry, task outcome, metric label and log level all
//! come from it, never from an error's text.

use std::io;
use std::time::Duration;

/// Why the machine refuses, in plain words.
pub fn io_words(error: &io::Error) -> String {
    // EMFILE and ENFILE have no kind of their own.
    if matches!(error.raw_os_error(), Some(23 | 24)) {
        return "too many files and connections are open (raise the limit: ulimit -n)".to_owned();
    }
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "the quota is used up".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is not a directory".to_owned(),
        io::ErrorKind::AlreadyExists => "it exists already".to_owned(),
        _ => error.to_string(),
    }
}

/// What kind of failure an error is (connector-model.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// May succeed when tried again: network, 5xx, time-outs. `retry_after` is what the server asked for, if anything.
    Transient {
        /// How long the remote asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Too many requests (HTTP 429). `retry_after` is what the server asked for.
    Throttled {
        /// How long the remote asked us to wait.
        retry_after: Option<Duration>,
    },
    /// Credentials were refused.
    Auth,
    /// We may not do this: a role or a right is missing.
    Forbidden,
    /// The request itself was refused: bad input, or a rule of ours or of the server's.
    Rejected,
    /// The state does not allow it (gRPC `FailedPrecondition`).
    Precondition,
    /// Such a thing exists already.
    AlreadyExists,
    /// The object is not there, or not visible to us.
    NotFound,
    /// Somebody ended the work.
    Cancelled,
    /// The answer, or a file, is not what it must be.
    Corrupt,
    /// The server, or this program, does not know how to do this (HTTP 501, gRPC `Unimplemented`).
    Unsupported,
    /// The machine refuses: disk full, no permission, file in use.
    Local,
    /// A bug in this program.
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
