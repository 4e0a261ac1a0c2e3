//! Errors of PingOne calls (connector-model.md §9, §10): what was tried, on what, what PingOne said, and what to do.
//! Never a URL, a token, an address or a body.

mod class;
mod text;

use std::time::Duration;

use serde::Deserialize;

use super::lenient;
use super::operation::Operation;
use class::{api_class, is_refusal, status_class};
use process::error::ErrorClass;

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoConnection {
    /// The host's name could not be resolved.
    Dns,
    /// The host's name cannot be one.
    Name,
    /// The host refused it.
    Refused,
    /// It was cut while it was made.
    Reset,
    /// There is no way to the host.
    Unreachable,
    /// Nobody answered in time.
    TimedOut,
    /// The certificate is not trusted.
    Certificate,
    /// The proxy on the way refused it.
    Proxy,
    /// Anything else.
    Other,
}

impl NoConnection {
    /// The cause in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "its name could not be resolved",
            Self::Name => "the host name is not valid",
            Self::Refused => "connection refused",
            Self::Reset => "the connection was reset while it was made",
            Self::Unreachable => "no route to it",
            Self::TimedOut => "it did not answer in time",
            Self::Certificate => "the server's certificate is not trusted",
            Self::Proxy => "the proxy on the way refused the connection",
            Self::Other => "the connection could not be made",
        }
    }
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
    /// No connection came about, so nothing was sent.
    NoConnection {
        /// Host and port, as `host:port`.
        peer: String,
        /// Why.
        cause: NoConnection,
    },
    /// The connection was lost after the request went out.
    Network {
        /// A bounded description.
        what: &'static str,
    },
    /// No answer in time.
    TimedOut,
    /// A write was sent and its answer was lost: whether it took effect is not known.
    LostAnswer,
    /// A write was not sent: its task was cancelled, or another instance leads now.
    NotBegun,
    /// A success whose body is not JSON: a proxy's page, a maintenance notice, an answer that was cut.
    NotJson {
        /// Media type of the body.
        media_type: String,
        /// Length of the body in bytes.
        length: usize,
        /// How often in a row.
        times: u32,
    },
    /// A listing's cursor was rejected, and again after it had started anew.
    CursorRejected {
        /// How often it had started anew.
        restarts: u32,
        /// HTTP status of the last refusal.
        status: u16,
    },
    /// A listing holds fewer items than it says, and did so again.
    Short {
        /// How many it says.
        told: u64,
        /// How many it held.
        found: u64,
    },
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
    /// The page of a listing that failed, from 1; `None` where it is no listing.
    pub page: Option<u64>,
    /// What to do, where the caller knows better.
    pub advice: Option<&'static str>,
}

impl Reason {
    /// The time that the caller has does not suffice.
    pub(crate) fn spent(retry_after: Duration, status: u16) -> Self {
        Self::BudgetSpent { retry_after, status }
    }

    /// No turn came in the caller's time. Without a wait it is that time that is over, and no limit.
    pub(crate) fn no_turn(wait: Duration) -> Self {
        Self::spent(wait, if wait.is_zero() { 0 } else { 429 })
    }
}

impl std::error::Error for PingOneError {}

/// PingOne's error body (pingone-api.md §3.3). Without `id` and `code` it is not PingOne's; any other member may be
/// missing.
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
            page: None,
            advice: None,
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
            Reason::NoConnection {
                cause: NoConnection::Certificate | NoConnection::Name,
                ..
            } => ErrorClass::Local,
            Reason::NoConnection { .. }
            | Reason::Network { .. }
            | Reason::TimedOut
            | Reason::LostAnswer
            | Reason::CursorRejected { .. }
            | Reason::Short { .. } => ErrorClass::Transient { retry_after },
            Reason::NotJson { .. } | Reason::Corrupt { .. } | Reason::ForeignHost | Reason::Endless => {
                ErrorClass::Corrupt
            }
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
            Reason::LostAnswer | Reason::NotJson { .. } | Reason::Corrupt { .. } | Reason::Foreign { .. } => true,
            Reason::Api { .. } => failed,
            _ => false,
        }
    }

    /// The call itself reached the network: not one that waited in vain, found no connection, or got no token.
    pub fn was_sent(&self) -> bool {
        match &self.reason {
            Reason::NoConnection { .. } | Reason::Token { .. } | Reason::NotBegun | Reason::BudgetSpent { .. } => false,
            _ => self.operation != Operation::Token,
        }
    }

    /// PingOne says that our client lacks a right: it may hold it and the right has not spread yet (pingone-api.md §3.4,
    /// §6.10). A service that is off, a full licence and a read-only assignment are none of these.
    pub fn is_right_missing(&self) -> bool {
        let Reason::Api {
            status,
            code,
            detail,
            message,
            ..
        } = &self.reason
        else {
            return false;
        };
        let detail = detail.as_deref();
        let lacking = detail == Some("INSUFFICIENT_PERMISSIONS") || message.contains("Must have role at the same");
        let refused = code == "ACCESS_FAILED" && self.class() == ErrorClass::Forbidden;
        is_refusal(*status)
            && (lacking || refused)
            && detail != Some("LICENSE_EXCEEDED")
            && !message.contains("not licensed")
            && !self.is_read_only_assignment()
    }

    /// PingOne does not let our client delete this assignment, maybe only for the moment (pingone-api.md §3.4).
    pub fn is_read_only_assignment(&self) -> bool {
        matches!(&self.reason, Reason::Api { status, message, .. }
            if is_refusal(*status) && message.contains("cannot be deleted as it is read only"))
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

    /// PingOne does not take an attribute or operator of our filter (pingone-api.md §3.4). Only the first page can say
    /// so: later the filter was taken, and it is the cursor that is refused.
    pub fn is_filter_refused(&self) -> bool {
        if self.page.is_some_and(|page| page > 1) {
            return false;
        }
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

    /// The same error with a remedy that only the caller knows.
    #[must_use]
    pub fn advising(mut self, advice: &'static str) -> Self {
        self.advice = Some(advice);
        self
    }
}

#[cfg(test)]
mod tests;
