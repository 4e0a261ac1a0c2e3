//! How a task fails: PingOne's failures by the table of connector-model.md §9, our own refusals by their code.

use crate::error::ErrorClass;
use crate::pingone::{GrpcCode, PingOneError};
use crate::task::{Code, Detail, RateLimit, TaskError};

/// The remedy for an answer that cannot be read.
const CORRUPT: &str = "Check that nothing between changes answers, then report the request id to Ping Identity.";

/// Why a task's flow ended.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The task was cancelled between two calls.
    Cancelled,
    /// A call failed.
    PingOne(Box<PingOneError>),
    /// A rule of ours or of PingOne's says no.
    Refused(Box<TaskError>),
}

impl Failure {
    /// Refused with a code.
    pub(crate) fn refused(code: Code, message: impl Into<String>) -> Self {
        Self::Refused(Box::new(TaskError::new(code, message)))
    }

    /// The state does not allow it.
    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::refused(Code::FailedPrecondition, message)
    }

    /// What was asked for makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::refused(Code::InvalidArgument, message)
    }

    /// PingOne's error, where it is one.
    pub(crate) fn pingone(&self) -> Option<&PingOneError> {
        match self {
            Self::PingOne(error) => Some(error),
            Self::Cancelled | Self::Refused(_) => None,
        }
    }

    /// PingOne says that the object is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.pingone().is_some_and(PingOneError::is_gone)
    }

    /// A write may have taken effect although it failed.
    pub(crate) fn outcome_unknown(&self) -> bool {
        self.pingone().is_some_and(PingOneError::outcome_unknown)
    }

    pub(crate) fn into_task(self) -> TaskError {
        match self {
            Self::Cancelled => TaskError::cancelled("the task was cancelled"),
            Self::PingOne(error) => task_error(&error),
            Self::Refused(error) => *error,
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
    with_details(error, TaskError::named(code, &error.with_remedy(remedy)))
}

/// A read that failed, in its own words.
pub(crate) fn read_error(error: &PingOneError) -> TaskError {
    with_details(error, TaskError::named(code(error), &error.to_string()))
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

fn code(error: &PingOneError) -> Code {
    match error.grpc_code() {
        GrpcCode::Canceled => Code::Cancelled,
        GrpcCode::InvalidArgument => Code::InvalidArgument,
        GrpcCode::DeadlineExceeded => Code::DeadlineExceeded,
        GrpcCode::NotFound => Code::NotFound,
        GrpcCode::AlreadyExists => Code::AlreadyExists,
        GrpcCode::PermissionDenied => Code::PermissionDenied,
        GrpcCode::ResourceExhausted => Code::ResourceExhausted,
        GrpcCode::FailedPrecondition => Code::FailedPrecondition,
        GrpcCode::Unimplemented => Code::Unimplemented,
        GrpcCode::Internal => Code::Internal,
        GrpcCode::Unavailable => Code::Unavailable,
        GrpcCode::Unauthenticated => Code::Unauthenticated,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pingone::{Operation, RateInfo, Reason};

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
