//! Calls that change the directory, as values: built by pure functions, shown by a dry run, sent by
//! [`Client::write`]. A write is never repeated blindly: PingOne has no idempotency key (pingone-api.md §3.7), so a
//! call whose outcome is unknown fails with [`PingOneError::outcome_unknown`] and its caller reads the state first.

pub mod devices;
pub mod membership;
pub mod passwords;
pub mod roles;
pub mod users;

use std::fmt;

use bytes::Bytes;
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{Call, Client};
use super::error::{PingOneError, RateInfo};
use super::operation::Operation;
use super::page::corrupt;

/// Media type of plain bodies.
pub const JSON: &str = "application/json";

/// A body and its media type.
#[derive(Clone, PartialEq, Eq)]
pub struct WriteBody {
    content_type: &'static str,
    bytes: Bytes,
    secret: bool,
}

impl WriteBody {
    /// A JSON body.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::typed(JSON, value)
    }

    /// A JSON body under a media type of PingOne's.
    pub fn typed(content_type: &'static str, value: &impl Serialize) -> Self {
        // Serializing our own values into memory does not fail: no map of them has keys that are no texts.
        let bytes = serde_json::to_vec(value).unwrap_or_default().into();
        Self {
            content_type,
            bytes,
            secret: false,
        }
    }

    /// No content, but a media type that says what is meant.
    pub fn empty(content_type: &'static str) -> Self {
        Self {
            content_type,
            bytes: Bytes::new(),
            secret: false,
        }
    }

    /// Bytes that hold a secret: never shown. `Bytes::from_owner` over zeroizing memory keeps them zeroized.
    pub fn secret(content_type: &'static str, bytes: Bytes) -> Self {
        Self {
            content_type,
            bytes,
            secret: true,
        }
    }

    /// The media type.
    pub const fn content_type(&self) -> &'static str {
        self.content_type
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The content for people; a secret one only by its length.
    pub fn shown(&self) -> String {
        if self.secret {
            return format!("({} bytes with a secret)", self.bytes.len());
        }
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl fmt::Debug for WriteBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBody")
            .field("content_type", &self.content_type)
            .field("length", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// One call that changes the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteCall {
    /// What it does.
    pub operation: Operation,
    /// The id of what it changes, for error texts.
    pub object: String,
    /// The HTTP method.
    pub method: Method,
    /// The path under the configured environment.
    pub path: Vec<String>,
    /// The body.
    pub body: Option<WriteBody>,
}

impl WriteCall {
    /// A call on `path`, segments under the environment.
    #[expect(clippy::needless_pass_by_value, reason = "callers hand ids over as they have them")]
    pub fn new(operation: Operation, object: impl ToString, method: Method, path: &[&str]) -> Self {
        Self {
            operation,
            object: object.to_string(),
            method,
            path: path.iter().map(|segment| (*segment).to_owned()).collect(),
            body: None,
        }
    }

    /// The same call with a body.
    #[must_use]
    pub fn with(mut self, body: WriteBody) -> Self {
        self.body = Some(body);
        self
    }
}

impl fmt::Display for WriteCall {
    /// As a dry run shows it: method, path under the environment, media type and body without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} /{}", self.method, self.path.join("/"))?;
        match &self.body {
            Some(body) => write!(f, " {} {}", body.content_type(), body.shown()),
            None => Ok(()),
        }
    }
}

/// A write that PingOne carried out.
#[derive(Debug, Clone)]
pub struct Written {
    /// HTTP status.
    pub status: u16,
    /// The answer's body, often empty.
    body: Vec<u8>,
    /// PingOne's correlation id.
    pub request_id: Option<String>,
    /// What the rate headers said.
    pub rate: Option<RateInfo>,
}

impl Written {
    /// The answer of a call that a dry run did not send.
    pub const fn planned() -> Self {
        Self {
            status: 0,
            body: Vec::new(),
            request_id: None,
            rate: None,
        }
    }

    /// A dry run's answer: there is no body to read.
    pub const fn is_planned(&self) -> bool {
        self.status == 0
    }

    /// The body. A failure is a write of unknown outcome: it took effect, but not what it made.
    #[expect(clippy::result_large_err, reason = "an error is as large as what it says, and rare")]
    pub fn json<T: DeserializeOwned>(&self, call: &WriteCall) -> Result<T, PingOneError> {
        serde_json::from_slice(&self.body).map_err(|error| PingOneError {
            request_id: self.request_id.clone(),
            ..PingOneError::new(call.operation, call.object.clone(), corrupt(&error))
        })
    }
}

impl Client {
    /// Sends one call. Repeated only where PingOne surely did not carry it out: it limited our rate, refused a token
    /// that is renewed, or no connection came about. Anything else that leaves the outcome open is an error for which
    /// [`PingOneError::outcome_unknown`] is true.
    pub async fn write(&self, call: &WriteCall) -> Result<Written, PingOneError> {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        let request = Call {
            operation: call.operation,
            object: &call.object,
            method: call.method.clone(),
            url: self.url(&path),
            body: call.body.as_ref(),
        };
        let answer = self.call(&request).await?;
        Ok(Written {
            status: answer.status,
            body: answer.body.to_vec(),
            request_id: answer.request_id,
            rate: answer.rate,
        })
    }
}
