//! Errors of calls to C1 and of the session.

use std::time::Duration;

use tonic::{Code, Status};

use super::connect::ConnectError;
use super::endpoint::{InvalidClientId, InvalidHost, NoAddress};
use super::key::InvalidClientSecret;
use super::proxy::InvalidProxy;
use super::token::TokenError;
use process::error::ErrorClass;

/// Longest text of C1's that is passed on.
const MAX_MESSAGE_CHARS: usize = 1024;

/// A call to C1 failed.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// No token, so the call was not made.
    #[error("{method} was not called")]
    Token {
        /// The method.
        method: &'static str,
        /// Why.
        #[source]
        source: TokenError,
    },
    /// This process does not lead any more, so the call was not made.
    #[error("{method} was not called: this process does not lead any more")]
    NotLeading {
        /// The method.
        method: &'static str,
    },
    /// C1 answered with an error.
    #[error("{method} failed: C1 answered {code:?}: {message}")]
    Status {
        /// The method.
        method: &'static str,
        /// The code.
        code: Code,
        /// C1's text.
        message: String,
        /// C1's details: a `google.rpc.Status`, encoded; empty without any.
        details: Vec<u8>,
    },
    /// The connection could not be opened or broke.
    #[error("{method} failed: no connection to C1: {reason}")]
    Transport {
        /// The method.
        method: &'static str,
        /// Why, with the causes.
        reason: String,
        /// No connection could be opened.
        is_dial: bool,
    },
    /// C1 did not answer in time.
    #[error("{method} failed: no answer within {} s", limit.as_secs())]
    Deadline {
        /// The method.
        method: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The connection is open, and nothing comes on it.
    #[error("{method} failed: C1 said nothing for {} s on an open connection; another one is opened", limit.as_secs())]
    Silent {
        /// The method.
        method: &'static str,
        /// How long.
        limit: Duration,
    },
    /// An upload made no progress.
    #[error("the upload made no progress for {} s", limit.as_secs())]
    Stalled {
        /// The limit.
        limit: Duration,
    },
    /// The file to be uploaded could not be read.
    #[error("the file to be uploaded could not be read")]
    File(#[source] std::io::Error),
    /// What is to be sent could not be made.
    #[error("{what} could not be built")]
    Build {
        /// What.
        what: &'static str,
    },
}

impl RpcError {
    #[expect(clippy::needless_pass_by_value, reason = "a status becomes the error")]
    pub(super) fn from_status(method: &'static str, status: Status) -> Self {
        // A status that was received has no source; one made for a broken connection has.
        if std::error::Error::source(&status).is_some() {
            let (reason, is_dial) = reason(&status);
            return Self::Transport {
                method,
                reason,
                is_dial,
            };
        }
        Self::Status {
            method,
            code: status.code(),
            message: status.message().chars().take(MAX_MESSAGE_CHARS).collect(),
            details: status.details().to_vec(),
        }
    }

    /// The gRPC code that a `FinishTask` would carry, and the label of the metric.
    pub const fn code(&self) -> Code {
        match self {
            Self::Token { source, .. } => match source {
                TokenError::Timeout { .. } => Code::DeadlineExceeded,
                TokenError::Connect(_) | TokenError::Http(_) => Code::Unavailable,
                TokenError::Status { .. } | TokenError::Body | TokenError::Empty => Code::Unauthenticated,
                TokenError::Build | TokenError::OtherTenant => Code::Internal,
            },
            Self::NotLeading { .. } => Code::Cancelled,
            Self::Status { code, .. } => *code,
            Self::Transport { .. } | Self::Silent { .. } => Code::Unavailable,
            Self::Deadline { .. } | Self::Stalled { .. } => Code::DeadlineExceeded,
            Self::File(_) | Self::Build { .. } => Code::Internal,
        }
    }

    /// The details of C1's answer, encoded; empty without any.
    pub(super) fn details(&self) -> &[u8] {
        match self {
            Self::Status { details, .. } => details,
            _ => &[],
        }
    }

    /// Whether a Hello at the start must not be tried again (c1-protocol.md §6.3 with DEV-3).
    pub fn is_final_at_start(&self) -> bool {
        match self {
            Self::Token { source, .. } => source.class() == ErrorClass::Auth,
            Self::Status { code, .. } => matches!(
                code,
                Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::InvalidArgument
                    | Code::Unimplemented
                    | Code::FailedPrecondition
                    | Code::NotFound
            ),
            Self::Build { .. } => true,
            Self::NotLeading { .. }
            | Self::Transport { .. }
            | Self::Silent { .. }
            | Self::Deadline { .. }
            | Self::Stalled { .. }
            | Self::File(_) => false,
        }
    }

    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Token { source, .. } => source.class(),
            Self::NotLeading { .. } => ErrorClass::Cancelled,
            Self::Status { code, .. } => match code {
                Code::Unauthenticated => ErrorClass::Auth,
                Code::PermissionDenied => ErrorClass::Forbidden,
                Code::InvalidArgument | Code::OutOfRange => ErrorClass::Rejected,
                Code::FailedPrecondition => ErrorClass::Precondition,
                Code::NotFound => ErrorClass::NotFound,
                Code::AlreadyExists => ErrorClass::AlreadyExists,
                Code::Cancelled => ErrorClass::Cancelled,
                Code::Unimplemented => ErrorClass::Unsupported,
                Code::ResourceExhausted => ErrorClass::Throttled { retry_after: None },
                _ => ErrorClass::Transient { retry_after: None },
            },
            Self::Transport { .. } | Self::Silent { .. } | Self::Deadline { .. } | Self::Stalled { .. } => {
                ErrorClass::Transient { retry_after: None }
            }
            Self::File(_) => ErrorClass::Local,
            Self::Build { .. } => ErrorClass::Bug,
        }
    }

    /// Why C1 is not reached, in our own and the system's words alone; `None` if it is reached.
    pub(super) fn unreached(&self) -> Option<String> {
        match self {
            Self::Transport {
                reason, is_dial: true, ..
            } => Some(reason.clone()),
            Self::Transport { .. } => Some("the connection broke".to_owned()),
            Self::Token {
                source: TokenError::Connect(_),
                ..
            }
            | Self::Silent { .. } => Some(self.chain()),
            _ => None,
        }
    }

    /// One sentence with the causes, for readiness and for logs that take one text.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let more = error.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            source = error.source();
        }
        text
    }
}

/// What lies below a status that was made for a broken connection, in words: the status itself and its wrappers show
/// their fields and not what happened.
fn reason(status: &Status) -> (String, bool) {
    let mut texts: Vec<String> = Vec::new();
    let mut is_dial = false;
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let text = error.to_string();
        is_dial |= error.is::<ConnectError>();
        let says_nothing = error.is::<tonic::transport::Error>() || error.is::<Status>();
        if !says_nothing && !texts.iter().any(|told| told.contains(&text)) {
            texts.push(text);
        }
        source = error.source();
    }
    if texts.is_empty() {
        texts.push(status.message().chars().take(MAX_MESSAGE_CHARS).collect());
    }
    (texts.join(": "), is_dial)
}

/// The session cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The client id is malformed.
    #[error(transparent)]
    ClientId(#[from] InvalidClientId),
    /// The override of C1's host is malformed.
    #[error(transparent)]
    Host(#[from] InvalidHost),
    /// The client secret is malformed.
    #[error(transparent)]
    ClientSecret(#[from] InvalidClientSecret),
    /// The proxy is malformed.
    #[error(transparent)]
    Proxy(#[from] InvalidProxy),
    /// TLS cannot be set up.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A text of the configuration cannot be sent.
    #[error("{what} holds characters that cannot be sent, or is longer than 256 characters, or is empty")]
    Text {
        /// Which.
        what: &'static str,
    },
    /// No token was given for the credentials.
    #[error(transparent)]
    Token(TokenError),
    /// C1 refused the Hello for good.
    #[error("C1 refused this connector at start")]
    Refused(#[source] RpcError),
}

impl From<NoAddress> for SessionError {
    fn from(error: NoAddress) -> Self {
        match error {
            NoAddress::ClientId(error) => error.into(),
            NoAddress::Host(error) => error.into(),
        }
    }
}

impl SessionError {
    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::ClientId(_) | Self::Host(_) | Self::ClientSecret(_) | Self::Proxy(_) | Self::Text { .. } => {
                ErrorClass::Rejected
            }
            Self::Connect(error) => error.class(),
            Self::Token(error) => error.class(),
            Self::Refused(error) => error.class(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_dial_is_told_in_words_with_its_reason() {
        let refused = || {
            let source = std::io::Error::new(
                std::io::ErrorKind::ConnectionRefused,
                "10.0.0.1:443: connection refused",
            );
            ConnectError::Dial {
                authority: "acme:443".to_owned(),
                source,
            }
        };
        let endpoint = tonic::transport::Endpoint::from_static("http://acme:443");
        let channel = endpoint.connect_with_connector_lazy(Refusing(refused));
        let mut grpc = tonic::client::Grpc::new(channel);
        let failed = if let Err(error) = grpc.ready().await {
            Status::from_error(Box::new(error))
        } else {
            let codec = tonic_prost::ProstCodec::<(), ()>::default();
            let path = http::uri::PathAndQuery::from_static("/a/b");
            grpc.unary(tonic::Request::new(()), path, codec).await.unwrap_err()
        };
        let error = RpcError::from_status("Hello", failed);
        let text = error.chain();
        assert_eq!(
            text,
            "Hello failed: no connection to C1: acme:443 could not be reached: 10.0.0.1:443: connection refused"
        );
        assert_eq!(
            error.unreached().unwrap(),
            "acme:443 could not be reached: 10.0.0.1:443: connection refused"
        );
    }

    #[derive(Clone)]
    struct Refusing<F>(F);

    impl<F: Fn() -> ConnectError> tonic::codegen::Service<http::Uri> for Refusing<F> {
        type Response = hyper_util::rt::TokioIo<tokio::io::DuplexStream>;
        type Error = ConnectError;
        type Future = std::future::Ready<Result<Self::Response, ConnectError>>;

        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), ConnectError>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: http::Uri) -> Self::Future {
            std::future::ready(Err((self.0)()))
        }
    }
}
