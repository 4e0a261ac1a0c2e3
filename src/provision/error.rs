//! How a task fails: PingOne's failures by the table of connector-model.md §9, our own refusals by their code.

use baton::crypto::CryptoError;
use baton::task::{Code, Detail, RateLimit, TaskError};
use pingone::{PingOneError, Reason, WriteCall, Written};
use process::error::ErrorClass;

/// The remedy for an answer that cannot be read.
const CORRUPT: &str = "Check that nothing between changes answers, then report the request id to Ping Identity.";

/// Before what people see of PingOne's errors (connector-model.md §10).
const NAME: &str = "baton-ping-one: ";

/// Why a task's flow ended.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The task was cancelled between two calls.
    Cancelled,
    /// A call failed.
    PingOne(Box<PingOneError>),
    /// PingOne's state, or what was asked for, does not allow it.
    Refused(Box<TaskError>),
    /// A rule of this connector does not allow it.
    Declined(Box<TaskError>),
    /// A write may have taken effect or not, and no read could tell.
    Unknown {
        /// As the task is told.
        error: Box<TaskError>,
        /// The last refusal or failure.
        cause: Option<Box<PingOneError>>,
        /// The answer that shows what no read shows.
        shown: Option<Box<Written>>,
    },
}

impl Failure {
    /// Refused with a code.
    pub(crate) fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Refused(Box::new(TaskError::new(code, message)))
    }

    /// The state does not allow it.
    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::Declined(Box::new(TaskError::new(Code::FailedPrecondition, message)))
    }

    /// What was asked for makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::refused(Code::InvalidArgument, message)
    }

    /// PingOne's error, where it is one.
    pub(crate) fn pingone(&self) -> Option<&PingOneError> {
        match self {
            Self::PingOne(error) => Some(error),
            Self::Cancelled | Self::Refused(_) | Self::Declined(_) | Self::Unknown { .. } => None,
        }
    }

    /// PingOne says that the object is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.pingone().is_some_and(PingOneError::is_gone)
    }

    /// A write may have taken effect although it failed.
    pub(crate) const fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// As the answer to a grant: what this connector declines is marked as such (c1-protocol.md §8.5).
    pub(crate) fn of_grant(self) -> Self {
        match self {
            Self::Declined(error) => Self::Refused(Box::new(TaskError::declined(error.message))),
            other => other,
        }
    }

    /// The same with one more sentence.
    pub(crate) fn adding(self, sentence: &str) -> Self {
        let add = |mut error: Box<TaskError>| {
            error.message = format!("{} {sentence}", error.message);
            error
        };
        match self {
            Self::Cancelled => Self::Cancelled,
            Self::PingOne(error) => Self::Refused(add(Box::new(task_error(&error)))),
            Self::Refused(error) => Self::Refused(add(error)),
            Self::Declined(error) => Self::Declined(add(error)),
            Self::Unknown { error, cause, shown } => Self::Unknown {
                error: add(error),
                cause,
                shown,
            },
        }
    }

    /// The text without our name before it, for a text around it.
    pub(crate) fn told(self) -> String {
        let message = self.into_task().message;
        message.strip_prefix(NAME).map(str::to_owned).unwrap_or(message)
    }

    pub(crate) fn into_task(self) -> TaskError {
        match self {
            Self::Cancelled => TaskError::cancelled("the task was cancelled"),
            Self::PingOne(error) => task_error(&error),
            Self::Refused(error) | Self::Declined(error) | Self::Unknown { error, .. } => *error,
        }
    }
}

impl From<PingOneError> for Failure {
    fn from(error: PingOneError) -> Self {
        Self::PingOne(Box::new(error))
    }
}

impl From<Box<PingOneError>> for Failure {
    fn from(error: Box<PingOneError>) -> Self {
        Self::PingOne(error)
    }
}

impl From<CryptoError> for Failure {
    fn from(error: CryptoError) -> Self {
        // Rejected is code 3 and a failure of the cipher itself code 13 (c1-protocol.md §10.3, §10.5).
        TaskError::from_class(error.class(), error.to_string()).into()
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// A missing object as `None`; every other failure stays one.
pub(crate) fn found<T>(result: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.is_not_found() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The table of connector-model.md §9, with the text of §10.
pub(crate) fn task_error(error: &PingOneError) -> TaskError {
    match error.class() {
        ErrorClass::Corrupt => task_error_with(error, None, CORRUPT),
        _ => read_error(error),
    }
}

/// The same with a remedy and, where the table's code is not the right one, a code that the caller knows better.
pub(crate) fn task_error_with(error: &PingOneError, code_instead: Option<Code>, remedy: &str) -> TaskError {
    let code = code_instead.unwrap_or_else(|| code(error));
    with_details(error, named(code, &error.with_remedy(remedy)))
}

/// Longest part of a failed read in the text of a write.
const READ_SHOWN: usize = 480;
/// What a write of unknown outcome is told as: C1 may try again, and then the state is read first.
const OPEN: &str = "Whether it took effect is not known: no read shows it. Try again; the state is read first.";

/// The same with why the last read failed, where it did.
fn open(unread: Option<Failure>) -> String {
    let Some(unread) = unread else {
        return OPEN.to_owned();
    };
    let why: String = unread.told().chars().take(READ_SHOWN).collect();
    format!("Whether it took effect is not known, because it could not be read back: {why} Then try again.")
}

/// A write whose last answer was lost, or is not PingOne's, and that no read shows.
pub(crate) fn unknown(error: &PingOneError, unread: Option<Failure>) -> Failure {
    Failure::Unknown {
        error: Box::new(task_error_with(error, Some(Code::Unavailable), &open(unread))),
        cause: Some(Box::new(error.clone())),
        shown: None,
    }
}

/// A write that PingOne confirmed and that no read shows.
pub(crate) fn unshown(call: &WriteCall, written: Option<&Written>) -> Failure {
    unproved(call, written, None)
}

/// The same with why the last read failed, where it did.
pub(crate) fn unproved(call: &WriteCall, written: Option<&Written>, unread: Option<Failure>) -> Failure {
    let request = written.and_then(|written| written.request_id.as_deref());
    let request = request.map(|id| format!(", request {}", shown(id))).unwrap_or_default();
    let status = written.map_or(0, |written| written.status);
    let text = format!(
        "{} {}: the answer ({status}{request}) says that it was done. {}",
        call.operation.text(),
        call.subject(),
        open(unread)
    );
    Failure::Unknown {
        error: Box::new(named(Code::Unavailable, &text)),
        cause: None,
        shown: written.filter(|written| written.is_shown()).cloned().map(Box::new),
    }
}

/// A read that failed, in its own words.
pub(crate) fn read_error(error: &PingOneError) -> TaskError {
    with_details(error, named(code(error), &error.to_string()))
}

fn with_details(error: &PingOneError, task: TaskError) -> TaskError {
    match error.rate_limit() {
        Some(told) => task.with(Detail::RateLimited(RateLimit {
            limit: told.limit,
            remaining: told.remaining,
            reset_after: told.reset_after,
            over: true,
        })),
        None => task,
    }
}

/// The code of connector-model.md §9.
fn code(error: &PingOneError) -> Code {
    match &error.reason {
        Reason::Api { .. } if error.detail_code() == Some("LICENSE_EXCEEDED") => return Code::ResourceExhausted,
        Reason::Foreign { status: 404, .. } => return Code::Internal,
        Reason::Api { status: 408, .. } | Reason::Foreign { status: 408, .. } | Reason::TimedOut => {
            return Code::DeadlineExceeded;
        }
        _ => {}
    }
    match error.class() {
        ErrorClass::Local => Code::Unavailable,
        class => class.into(),
    }
}

/// An error of PingOne's as people see it.
fn named(code: Code, message: &str) -> TaskError {
    TaskError::new(code, format!("{NAME}{message}"))
}

/// What a task says that cannot be worked with: code 3.
pub(crate) fn invalid(message: impl Into<String>) -> TaskError {
    TaskError::new(Code::InvalidArgument, message)
}

/// A text of the request, short enough for an error.
pub(crate) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(64).collect();
    format!("{cut:?}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use pingone::{Operation, RateInfo};

    #[test]
    fn a_refusal_for_the_rate_carries_the_limit_that_pingone_told() {
        let refused = |told_limit| PingOneError {
            operation: Operation::ReadUser,
            object: "user".to_owned(),
            request_id: None,
            reason: Reason::Foreign {
                status: 429,
                media_type: "text/html".to_owned(),
                length: 0,
            },
            retry_after: None,
            told_limit,
            page: None,
            advice: None,
        };
        let told = RateInfo {
            limit: 25,
            remaining: 0,
            reset_after: Duration::from_secs(7),
        };
        for (told, limit, seconds) in [(Some(Box::new(told)), 25, 7), (None, 1, 60)] {
            let task = task_error(&refused(told));
            let expected = Detail::RateLimited(RateLimit {
                limit,
                remaining: 0,
                reset_after: Duration::from_secs(seconds),
                over: true,
            });
            assert_eq!((task.code, task.details), (Code::Unavailable, vec![expected]));
        }
    }
}
