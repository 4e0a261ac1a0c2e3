//! What can go wrong at the API server, with the verb and the object that failed, so that a missing permission can be
//! put right from the message alone.

use std::fmt;
use std::time::Duration;

use process::error::ErrorClass;

/// The verb of a request, as RBAC names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change a part of an object.
    Patch,
}

impl Verb {
    /// As RBAC writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
        }
    }
}

/// Why a call to the API server failed. `object` reads like `secrets/NAME`; it never holds values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum K8sError {
    /// The service account lacks a right.
    #[error("not allowed to {} {object} in namespace {namespace}: give the service account this verb in a Role", .verb.as_str())]
    Forbidden {
        /// The missing verb.
        verb: Verb,
        /// What it is missing on.
        object: String,
        /// Where.
        namespace: String,
    },
    /// The service account's token was not accepted.
    #[error("the API server refused the service account's token to {} {object}", .verb.as_str())]
    Unauthorized {
        /// What was tried.
        verb: Verb,
        /// On what.
        object: String,
    },
    /// There is no such object.
    #[error("{object} is not there")]
    NotFound {
        /// Which.
        object: String,
    },
    /// Somebody else changed or made the object first.
    #[error("{object} was changed by somebody else")]
    Conflict {
        /// Which.
        object: String,
    },
    /// The version to go on from is too old (410).
    #[error("the watch of {object} has to begin again")]
    Gone {
        /// What is watched.
        object: String,
    },
    /// The API server answered with another error.
    #[error("the API server answered {code} to {} {object}", .verb.as_str())]
    Refused {
        /// What was tried.
        verb: Verb,
        /// On what.
        object: String,
        /// HTTP status.
        code: u16,
    },
    /// No answer in time.
    #[error("no answer within {} ms to {} {object}", .after.as_millis(), .verb.as_str())]
    Timeout {
        /// What was tried.
        verb: Verb,
        /// On what.
        object: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection failed, or what came back was no answer.
    #[error("the API server was not reached to {} {object}: {reason}", .verb.as_str())]
    Unreachable {
        /// What was tried.
        verb: Verb,
        /// On what.
        object: String,
        /// The kind of failure.
        reason: Reason,
    },
    /// No cluster configuration was found.
    #[error("{0}")]
    NoCluster(String),
    /// The client could not be set up.
    #[error("cluster configuration cannot be used: {0}")]
    Setup(String),
}

/// The kind of failure below HTTP; the client's own text may quote addresses and bodies and is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Connecting, TLS, or sending.
    Connection,
    /// The answer could not be read.
    Answer,
    /// The service account's token or certificate could not be read.
    Identity,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection failed",
            Self::Answer => "answer unreadable",
            Self::Identity => "own token or certificate unreadable",
        })
    }
}

impl K8sError {
    /// What the client library said, as far as we pass it on.
    pub(crate) fn from_kube(error: &kube::Error, verb: Verb, object: &str, namespace: &str) -> Self {
        match error {
            kube::Error::Api(status) => Self::from_code(status.code, verb, object, namespace),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) | kube::Error::ReadEvents(_) => {
                Self::unreachable(verb, object, Reason::Answer)
            }
            kube::Error::Auth(_) => Self::unreachable(verb, object, Reason::Identity),
            _ => Self::unreachable(verb, object, Reason::Connection),
        }
    }

    /// By HTTP status.
    pub(crate) fn from_code(code: u16, verb: Verb, object: &str, namespace: &str) -> Self {
        let object = object.to_owned();
        match code {
            401 => Self::Unauthorized { verb, object },
            403 => Self::Forbidden {
                verb,
                object,
                namespace: namespace.to_owned(),
            },
            404 => Self::NotFound { object },
            409 => Self::Conflict { object },
            410 => Self::Gone { object },
            code => Self::Refused { verb, object, code },
        }
    }

    fn unreachable(verb: Verb, object: &str, reason: Reason) -> Self {
        Self::Unreachable {
            verb,
            object: object.to_owned(),
            reason,
        }
    }

    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Forbidden { .. } => ErrorClass::Forbidden,
            Self::Unauthorized { .. } => ErrorClass::Auth,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::Conflict { .. } => ErrorClass::Precondition,
            Self::Refused { code: 429, .. } => ErrorClass::Throttled { retry_after: None },
            Self::Refused { code: 500..=599, .. }
            | Self::Gone { .. }
            | Self::Timeout { .. }
            | Self::Unreachable { .. } => ErrorClass::Transient { retry_after: None },
            Self::Refused { .. } => ErrorClass::Rejected,
            Self::NoCluster(_) | Self::Setup(_) => ErrorClass::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_names_verb_object_and_namespace() {
        for verb in [
            Verb::Get,
            Verb::List,
            Verb::Watch,
            Verb::Create,
            Verb::Update,
            Verb::Patch,
        ] {
            let error = K8sError::from_code(403, verb, "leases/leader", "baton");
            let text = error.to_string();
            assert!(text.contains(verb.as_str()) && text.contains("leases/leader") && text.contains("baton"));
            assert_eq!(error.class(), ErrorClass::Forbidden);
        }
    }

    #[test]
    fn each_status_has_its_class() {
        let class = |code| K8sError::from_code(code, Verb::Get, "secrets/a", "b").class();
        assert_eq!(class(401), ErrorClass::Auth);
        assert_eq!(class(404), ErrorClass::NotFound);
        assert_eq!(class(409), ErrorClass::Precondition);
        assert_eq!(class(422), ErrorClass::Rejected);
        for code in [410, 429, 500, 503, 504] {
            assert!(class(code).is_retryable(), "{code}");
        }
    }
}
