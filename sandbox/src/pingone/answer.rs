//! What a handler gives back: an answer or a refusal in PingOne's error shape (pingone-api.md §3.3, fields D, texts
//! S or G).

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

/// A finished answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `None`: the configured JSON type.
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    /// Rows of a listing, for the counts
    pub(crate) rows: usize,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, body.to_string().into())
    }

    pub(crate) fn bytes(status: u16, body: Bytes) -> Self {
        Self {
            status,
            content_type: None,
            body,
            location: None,
            retry_after: None,
            rows: 0,
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::bytes(status, Bytes::new())
    }

    pub(crate) fn typed(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            content_type: Some(content_type.to_owned()),
            ..Self::bytes(status, body.into())
        }
    }
}

/// A refusal; becomes the platform's error body with an id of its own.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Vec<Value>,
    pub(crate) retry_after: Option<String>,
}

const INVALID: &str = "The request could not be completed. One or more validation errors were in the request.";

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
        }
    }

    #[must_use]
    pub(crate) fn detail(mut self, code: &str, target: Option<&str>, message: &str) -> Self {
        let mut detail = json!({"code": code, "message": message});
        if let (Some(target), Value::Object(detail)) = (target, &mut detail) {
            detail.insert("target".to_owned(), target.into());
        }
        self.details.push(detail);
        self
    }

    /// Makes the target of the last detail a part of this object.
    pub(crate) fn move_target(&mut self, object: &str) {
        if let Some(Value::String(target)) = self.details.last_mut().and_then(|detail| detail.get_mut("target")) {
            *target = format!("{object}.{target}");
        }
    }

    /// Puts `innerError` into the last detail.
    #[must_use]
    pub(crate) fn inner(mut self, inner: Value) -> Self {
        if let Some(Value::Object(detail)) = self.details.last_mut() {
            detail.insert("innerError".to_owned(), inner);
        }
        self
    }

    /// 400 `INVALID_DATA` with one detail (pingone-api.md §3.4, S).
    pub(crate) fn invalid(code: &str, target: &str, message: &str) -> Self {
        Self::new(400, "INVALID_DATA", INVALID).detail(code, Some(target), message)
    }

    /// The same fault under another status, which may change where the code does not (pingone-api.md §3.2, D); a 404 is
    /// the usual one.
    #[must_use]
    pub(crate) fn with_status(self, status: u16) -> Self {
        match status {
            404 => Self::missing(),
            _ => Self { status, ..self },
        }
    }

    /// 400 `INVALID_REQUEST` / `INVALID_PARAMETER` (pingone-api.md §3.4, S).
    pub(crate) fn parameter(target: &str) -> Self {
        Self::new(
            400,
            "INVALID_REQUEST",
            "The request could not be completed. The request was invalid.",
        )
        .detail("INVALID_PARAMETER", Some(target), "is not a valid value")
    }

    /// 404 (pingone-api.md §3.4, D/S).
    pub(crate) fn missing() -> Self {
        Self::new(
            404,
            "NOT_FOUND",
            "The request could not be completed. The requested resource was not found.",
        )
    }

    /// 415 (pingone-api.md §3.1, D/S).
    pub(crate) fn media_type() -> Self {
        Self::new(
            415,
            "INVALID_REQUEST",
            "The request could not be completed. The content type is not supported.",
        )
    }

    /// 405 (pingone-api.md §3.4, D).
    pub(crate) fn method() -> Self {
        Self::new(
            405,
            "INVALID_REQUEST",
            "The request could not be completed. The method is not supported.",
        )
    }

    /// 401 `ACCESS_FAILED` / `INVALID_TOKEN` (pingone-api.md §3.4, S).
    pub(crate) fn token() -> Self {
        Self::new(
            401,
            "ACCESS_FAILED",
            "The request could not be completed. You do not have access to this resource.",
        )
        .detail("INVALID_TOKEN", None, "The access token is invalid or expired.")
    }

    /// 400 `REQUEST_FAILED` (pingone-api.md §3.4, S).
    pub(crate) fn failed(code: &str, message: &str) -> Self {
        Self::new(
            400,
            "REQUEST_FAILED",
            "The request could not be completed. There was an issue processing the request",
        )
        .detail(code, None, message)
    }

    /// 500 `UNEXPECTED_ERROR` (pingone-api.md §3.4, S).
    pub(crate) fn unexpected() -> Self {
        Self::new(
            500,
            "UNEXPECTED_ERROR",
            "The request could not be completed. An unexpected error occurred.",
        )
    }

    /// The platform's refusal for a bare status (pingone-api.md §3.4 codes D/S, §5 for 429: shape S, texts G).
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::token(),
            403 => Self::new(
                403,
                "ACCESS_FAILED",
                "The request could not be completed. You do not have access to this resource.",
            ),
            404 => Self::missing(),
            405 => Self::method(),
            415 => Self::media_type(),
            429 => Self::new(
                429,
                "REQUEST_LIMITED",
                "The request could not be completed. There were too many requests.",
            )
            .detail("LIMIT_EXCEEDED", None, "Rate limit exceeded."),
            400..=499 => Self::new(status, "INVALID_REQUEST", "The request could not be completed."),
            _ => Self {
                status,
                ..Self::unexpected()
            },
        }
    }

    /// The error body (pingone-api.md §3.3, D).
    pub(crate) fn answer(&self, id: Uuid) -> Answer {
        let mut body = json!({"id": id, "code": self.code, "message": self.message});
        if let (false, Value::Object(body)) = (self.details.is_empty(), &mut body) {
            body.insert("details".to_owned(), Value::Array(self.details.clone()));
        }
        Answer {
            content_type: Some("application/json".to_owned()),
            retry_after: self.retry_after.clone(),
            ..Answer::json(self.status, &body)
        }
    }
}

/// What every handler returns.
pub(crate) type Outcome = Result<Answer, Refusal>;
