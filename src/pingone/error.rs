//! Errors of PingOne calls (connector-model.md §9, §10): what was tried, on what, what PingOne said, and what to do.
//! Never a URL, a token, an address or a body.

mod class;

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::lenient;
use super::operation::Operation;
use crate::error::ErrorClass;
use class::{api_class, status_class};

/// Longest error text in bytes: 1 KiB with our name before it (connector-model.md §10).
const TEXT_MAX_BYTES: usize = 1024 - "baton-ping-one: ".len();

/// gRPC codes that PingOne failures map to (connector-model.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcCode {
    /// 1
    Canceled = 1,
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
    /// 12
    Unimplemented = 12,
    /// 13
    Internal = 13,
    /// 14
    Unavailable = 14,
    /// 16
    Unauthenticated = 16,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// PingOne answered with an error of its own.
    Api {
        /// HTTP status.
        status: u16,
        /// Top-level code, stable.
        code: String,
        /// Code of the first detail.
        detail: Option<String>,
        /// Target of the first detail.
        target: Option<String>,
        /// PingOne's words.
        message: String,
        /// What else the first detail says.
        more: Box<More>,
    },
    /// The token endpoint refused (RFC 6749 shape).
    Token {
        /// HTTP status.
        status: u16,
        /// The `error` member.
        error: String,
    },
    /// An error answer that is not PingOne's: a gateway, a proxy, maintenance.
    Foreign {
        /// HTTP status.
        status: u16,
        /// Media type of the body.
        media_type: String,
        /// Length of the body in bytes.
        length: usize,
    },
    /// No answer: connect, TLS, DNS, reset.
    Network {
        /// A bounded description.
        what: &'static str,
    },
    /// The certificate is not trusted.
    Certificate,
    /// No answer in time.
    TimedOut,
    /// A write was sent and its answer was lost: whether it took effect is not known.
    LostAnswer,
    /// A write was not sent: its task was cancelled, or another instance leads now.
    NotBegun,
    /// An answer that is not what it must be.
    Corrupt {
        /// What is wrong, naming endpoint and member, never the content.
        what: String,
    },
    /// A listing's link points to a host that is neither the configured one nor the region's.
    ForeignHost,
    /// A listing does not progress.
    Endless,
    /// The wait that PingOne asks for, or the retries, do not fit into the time that the caller has.
    BudgetSpent {
        /// When to come back.
        retry_after: Duration,
        /// The status of the last answer, 0 for none.
        status: u16,
    },
    /// The environment does not exist, or is not visible to our client.
    EnvironmentMissing,
}

/// What the first detail of an error says besides its code (`innerError`, pingone-api.md §3.3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct More {
    /// The object that exists already.
    #[serde(default, deserialize_with = "lenient::text")]
    pub existing_id: Option<String>,
    /// The limit that was reached.
    #[serde(default, deserialize_with = "lenient::count")]
    pub quota_limit: Option<u64>,
    /// What a text must look like.
    #[serde(default, deserialize_with = "lenient::text")]
    pub allowed_pattern: Option<String>,
}

/// A rate limit as `RateLimitDescription` wants it (connector-model.md §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateInfo {
    /// Requests that the limit allows.
    pub limit: i64,
    /// How many are left.
    pub remaining: i64,
    /// When there are more.
    pub reset_after: Duration,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingOneError {
    /// What was tried.
    pub operation: Operation,
    /// On what: an id, or a few words.
    pub object: String,
    /// PingOne's correlation id, where there was an answer.
    pub request_id: Option<String>,
    /// What went wrong.
    pub reason: Reason,
    /// What PingOne asked us to wait.
    pub retry_after: Option<Duration>,
    /// The limit that the answer's headers told of.
    pub told_limit: Option<Box<RateInfo>>,
}

impl Reason {
    /// The time that the caller has does not suffice.
    pub(crate) fn spent(retry_after: Duration, status: u16) -> Self {
        Self::BudgetSpent { retry_after, status }
    }
}

impl std::error::Error for PingOneError {}

/// PingOne's error body (pingone-api.md §3.3); every member may be missing.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorBody {
    /// Unique to this error, also in Ping's logs.
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) target: Option<String>,
    #[serde(default)]
    pub(crate) details: Option<Vec<ErrorDetail>>,
}

/// One detail of an error body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorDetail {
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) target: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) inner_error: Option<More>,
}

impl PingOneError {
    pub(crate) fn new(operation: Operation, object: impl Into<String>, reason: Reason) -> Self {
        Self {
            operation,
            object: object.into(),
            request_id: None,
            reason,
            retry_after: None,
            told_limit: None,
        }
    }

    /// What kind of failure it is: decided by the body's code first, since PingOne may change the status inside a
    /// class (connector-model.md §9).
    pub fn class(&self) -> ErrorClass {
        let retry_after = self.retry_after;
        match &self.reason {
            Reason::Api {
                status, code, detail, ..
            } => api_class(*status, code, detail.as_deref(), retry_after),
            Reason::Token { status, .. } => match status {
                429 => ErrorClass::Throttled { retry_after },
                501 => ErrorClass::Unsupported,
                408 | 500.. => ErrorClass::Transient { retry_after },
                _ => ErrorClass::Auth,
            },
            Reason::Foreign { status, .. } => status_class(*status, retry_after),
            Reason::Network { .. } | Reason::TimedOut | Reason::LostAnswer => ErrorClass::Transient { retry_after },
            Reason::Certificate => ErrorClass::Local,
            Reason::Corrupt { .. } | Reason::ForeignHost | Reason::Endless => ErrorClass::Corrupt,
            Reason::BudgetSpent { retry_after, status } => {
                let retry_after = Some(*retry_after);
                if *status == 429 {
                    ErrorClass::Throttled { retry_after }
                } else {
                    ErrorClass::Transient { retry_after }
                }
            }
            Reason::EnvironmentMissing => ErrorClass::Forbidden,
            Reason::NotBegun => ErrorClass::Cancelled,
        }
    }

    /// PingOne itself says that the object is not there. A 404 in somebody else's words, a proxy's or that of a wrong
    /// address, says nothing of the object (pingone-api.md §3.2, §3.5).
    pub fn is_gone(&self) -> bool {
        matches!(self.reason, Reason::Api { .. }) && self.class() == ErrorClass::NotFound
    }

    /// The gRPC code of connector-model.md §9.
    pub fn grpc_code(&self) -> GrpcCode {
        match &self.reason {
            Reason::Api { detail, .. } if detail.as_deref() == Some("LICENSE_EXCEEDED") => GrpcCode::ResourceExhausted,
            Reason::Foreign { status: 404, .. } => GrpcCode::Internal,
            Reason::Api { status: 408, .. } | Reason::Foreign { status: 408, .. } | Reason::TimedOut => {
                GrpcCode::DeadlineExceeded
            }
            _ => match self.class() {
                ErrorClass::Transient { .. } | ErrorClass::Throttled { .. } | ErrorClass::Local => {
                    GrpcCode::Unavailable
                }
                ErrorClass::Auth => GrpcCode::Unauthenticated,
                ErrorClass::Forbidden => GrpcCode::PermissionDenied,
                ErrorClass::Rejected => GrpcCode::InvalidArgument,
                ErrorClass::Precondition => GrpcCode::FailedPrecondition,
                ErrorClass::AlreadyExists => GrpcCode::AlreadyExists,
                ErrorClass::NotFound => GrpcCode::NotFound,
                ErrorClass::Cancelled => GrpcCode::Canceled,
                ErrorClass::Unsupported => GrpcCode::Unimplemented,
                ErrorClass::Corrupt | ErrorClass::Bug => GrpcCode::Internal,
            },
        }
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match &self.reason {
            Reason::Api { status, .. } | Reason::Token { status, .. } | Reason::Foreign { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Code of the first detail, such as `UNIQUENESS_VIOLATION`.
    pub fn detail_code(&self) -> Option<&str> {
        match &self.reason {
            Reason::Api { detail, .. } => detail.as_deref(),
            _ => None,
        }
    }

    /// What the first detail is about, such as `username` or `scope`.
    pub fn target(&self) -> Option<&str> {
        match &self.reason {
            Reason::Api { target, .. } => target.as_deref(),
            _ => None,
        }
    }

    /// PingOne's words. For people, and for the few refusals that have no code of their own (pingone-api.md §3.4).
    pub fn message(&self) -> Option<&str> {
        match &self.reason {
            Reason::Api { message, .. } => Some(message),
            _ => None,
        }
    }

    /// What else the first detail says.
    pub fn more(&self) -> Option<&More> {
        match &self.reason {
            Reason::Api { more, .. } => Some(more),
            _ => None,
        }
    }

    /// A write may have taken effect although it failed: its answer was lost, broken, or one of a gateway that gave up
    /// waiting. Only a read can tell (connector-model.md §9: no write is repeated before it).
    pub fn outcome_unknown(&self) -> bool {
        if !self.operation.is_write() {
            return false;
        }
        let failed = matches!(self.class(), ErrorClass::Transient { .. } | ErrorClass::Corrupt);
        match &self.reason {
            Reason::LostAnswer | Reason::Corrupt { .. } => true,
            Reason::Api { .. } | Reason::Foreign { .. } => failed,
            _ => false,
        }
    }

    /// PingOne says that our client lacks a right: it may hold it and the right has not spread yet (pingone-api.md §3.4,
    /// §6.10). A service that is off, a full licence and a read-only assignment are none of these.
    pub fn is_right_missing(&self) -> bool {
        let Reason::Api {
            code, detail, message, ..
        } = &self.reason
        else {
            return false;
        };
        let detail = detail.as_deref();
        let lacking = detail == Some("INSUFFICIENT_PERMISSIONS") || message.contains("Must have role at the same");
        let refused = code == "ACCESS_FAILED" && self.class() == ErrorClass::Forbidden;
        (lacking || refused)
            && detail != Some("LICENSE_EXCEEDED")
            && !message.contains("not licensed")
            && !self.is_read_only_assignment()
    }

    /// PingOne does not let our client delete this assignment, maybe only for the moment (pingone-api.md §3.4).
    pub fn is_read_only_assignment(&self) -> bool {
        matches!(&self.reason, Reason::Api { message, .. } if message.contains("cannot be deleted as it is read only"))
    }

    /// The service behind the call is not enabled in this environment, whatever the roles (pingone-api.md §3.4).
    pub fn is_service_off(&self) -> bool {
        let off = |message: &str| message.contains("not licensed to make this request");
        self.class() == ErrorClass::Forbidden && self.message().is_some_and(off)
    }

    /// The limit that refused us, for `RateLimitDescription`: from headers or the body, else 1 with nothing left for
    /// what PingOne asked us to wait, or a minute (connector-model.md §9). `None` for any other failure.
    pub fn rate_limit(&self) -> Option<RateInfo> {
        let ErrorClass::Throttled { retry_after } = self.class() else {
            return None;
        };
        let told = self.told_limit.as_deref();
        let limit = told
            .map(|told| told.limit)
            .or_else(|| self.more()?.quota_limit.and_then(|limit| i64::try_from(limit).ok()));
        let reset = retry_after.or_else(|| told.map(|told| told.reset_after));
        Some(RateInfo {
            limit: limit.unwrap_or(1),
            remaining: 0,
            reset_after: reset.unwrap_or(Duration::from_mins(1)),
        })
    }

    /// PingOne does not take an attribute or operator of our filter (pingone-api.md §3.4).
    pub fn is_filter_refused(&self) -> bool {
        match &self.reason {
            // The status inside the 4xx class may change for the same fault (pingone-api.md §3.2).
            Reason::Api {
                status: 400..=499,
                code,
                detail,
                ..
            } => {
                let bare = code == "INVALID_REQUEST" && detail.is_none();
                detail.as_deref() == Some("INVALID_FILTER")
                    || code == "REQUEST_FAILED"
                    || code == "INVALID_FILTER"
                    || bare
            }
            _ => false,
        }
    }

    /// PingOne does not take a cursor any more (pingone-api.md §3.4, G): the listing starts again, once.
    pub fn is_cursor_rejected(&self) -> bool {
        matches!(&self.reason, Reason::Api { status: 400..=499, code, .. } if code == "INVALID_REQUEST" || code == "INVALID_DATA")
    }

    fn remedy(&self) -> Option<String> {
        if let Reason::BudgetSpent { retry_after, .. } = &self.reason {
            let seconds = retry_after.as_secs().max(1);
            return Some(format!("Try again in {seconds} s, or lower pingone-rate-limit."));
        }
        if self.is_service_off() {
            let service = self.operation.service().unwrap_or("needed");
            return Some(format!(
                "The {service} service is not enabled in this environment; enable it in PingOne or leave the feature off."
            ));
        }
        // PingOne's own words say it all.
        if self.detail_code() == Some("LICENSE_EXCEEDED") {
            return None;
        }
        self.fixed_remedy().map(str::to_owned)
    }

    fn fixed_remedy(&self) -> Option<&'static str> {
        let write = self.operation.is_write();
        let text = match (&self.reason, self.class()) {
            (Reason::EnvironmentMissing, _) if self.operation == Operation::Token => {
                "Check pingone-environment-id and that the worker application has a role in that environment. Check \
                 pingone-region too, and pingone-auth-environment-id where the application lives in another environment."
            }
            (Reason::EnvironmentMissing, _) => {
                "Check pingone-environment-id and that the worker application has a role in that environment."
            }
            (Reason::Foreign { status: 403, .. }, _) => {
                "This is not an answer of PingOne's: check pingone-base-url and pingone-region; otherwise the worker \
                 application lacks a role."
            }
            (Reason::Foreign { .. }, _) => "This is not an answer of PingOne's: a proxy or maintenance stands between.",
            (_, ErrorClass::Forbidden) if self.operation.assigns_roles() => {
                "The worker application must itself hold the role, or a role allowed to assign it, at the scope."
            }
            (_, ErrorClass::Forbidden) if self.operation == Operation::ListRoleAssignments => {
                "Give the application Identity Data Read Only or Identity Data Admin for this environment; it must be \
                 of type Worker. Or leave roles out of the sync: --sync-resource-types without role."
            }
            (_, ErrorClass::Forbidden) if write => {
                "Give the application Identity Data Admin for this environment; it must be of type Worker."
            }
            (_, ErrorClass::Forbidden) => {
                "Give the application Identity Data Read Only or Identity Data Admin for this environment; it must be \
                 of type Worker."
            }
            (_, ErrorClass::Auth) => {
                "Check pingone-client-id, pingone-client-secret and pingone-region; the worker application must be \
                 enabled and allow the client credentials grant."
            }
            (Reason::Api { .. }, ErrorClass::Rejected) if !write => {
                "Check user-filter if it is set; otherwise sync again, and report the request id to Ping Identity."
            }
            (Reason::Certificate, _) => {
                "Check pingone-base-url and pingone-auth-url, or name the certificate authority in SSL_CERT_FILE."
            }
            (Reason::Network { .. } | Reason::TimedOut, _) => {
                "Check the network, the proxy and pingone-region; nothing was changed."
            }
            (Reason::LostAnswer, _) => "Whether it took effect is read back before anything is repeated.",
            (Reason::ForeignHost, _) => "Set pingone-base-url or pingone-region to the host that PingOne answers with.",
            (Reason::Endless, _) => "Nothing was synced; report this page to Ping Identity with the request id.",
            (Reason::Corrupt { .. }, _) if write => {
                "PingOne took the change; read it back, and report the request id to Ping Identity."
            }
            (Reason::Corrupt { .. }, _) => {
                "Nothing was synced; check that nothing between changes answers, then report the request id to Ping \
                 Identity."
            }
            _ => return None,
        };
        Some(text)
    }

    fn said(&self) -> String {
        match &self.reason {
            Reason::Api {
                status, code, message, ..
            } => {
                let message = one_line(message);
                let message = message.trim_end_matches('.');
                format!("{message} ({status} {code}{})", self.request())
            }
            Reason::Token { status, error } => format!("the token was refused ({status} {error}{})", self.request()),
            Reason::Foreign {
                status,
                media_type,
                length,
            } => {
                format!(
                    "an answer of type {media_type} with {length} bytes ({status}{})",
                    self.request()
                )
            }
            Reason::Network { what } => (*what).to_owned(),
            Reason::Certificate => "the server's certificate is not trusted".to_owned(),
            Reason::TimedOut => "no answer in time".to_owned(),
            Reason::LostAnswer => "the answer was lost on the way".to_owned(),
            Reason::NotBegun => "not sent, because this instance was told to stop or does not lead any more".to_owned(),
            Reason::Corrupt { what } => format!("{what}{}", self.request()),
            Reason::ForeignHost => format!("the next page is at a foreign host{}", self.request()),
            Reason::Endless => format!("the listing does not end{}", self.request()),
            Reason::BudgetSpent { retry_after, status } => {
                format!(
                    "no success in time (last status {status}, wait of {} s asked for)",
                    retry_after.as_secs()
                )
            }
            Reason::EnvironmentMissing => format!("environment not found{}", self.request()),
        }
    }

    fn request(&self) -> String {
        self.request_id
            .as_ref()
            .map(|id| format!(", request {}", one_line(id)))
            .unwrap_or_default()
    }
}

impl PingOneError {
    /// The error's text with a remedy that only the caller knows.
    pub fn with_remedy(&self, remedy: &str) -> String {
        let mut text = format!("{} {}: {}", self.operation.text(), one_line(&self.object), self.said());
        if !remedy.is_empty() {
            let room = TEXT_MAX_BYTES.saturating_sub(remedy.len() + 2);
            text = head(&text, room);
            text.push_str(". ");
            text.push_str(remedy);
        }
        head(&text, TEXT_MAX_BYTES)
    }
}

impl fmt::Display for PingOneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_remedy(&self.remedy().unwrap_or_default()))
    }
}

/// The first bytes of a text, at a character boundary.
fn head(text: &str, max_bytes: usize) -> String {
    text.get(..text.floor_char_boundary(max_bytes))
        .unwrap_or_default()
        .to_owned()
}

/// Control characters would let an answer forge log lines.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
