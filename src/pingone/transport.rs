//! Answers and failures of the HTTP client in our own terms. Nothing of a URL, a header's secret or a body gets into
//! an error.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::error::{ErrorBody, RateInfo, Reason};
use super::retry_after;

/// No connection came about, so nothing was sent.
pub(crate) const NO_CONNECTION: &str = "no connection";

/// A header's text.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    text(headers, name).map(str::to_owned)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the answer asks us to wait.
pub(crate) fn wish(headers: &HeaderMap) -> Option<Duration> {
    text(headers, "retry-after").and_then(|value| retry_after::parse(value, jiff::Timestamp::now()))
}

/// The limit that an answer tells of, where it does: `RateLimit-…`, `X-RateLimit-…` and `X-Rate-Limit-…` occur.
pub(crate) fn rate_limit(headers: &HeaderMap) -> Option<RateInfo> {
    let of = |tail: &str| {
        ["ratelimit", "x-ratelimit", "x-rate-limit"]
            .iter()
            .find_map(|head| text(headers, &format!("{head}-{tail}")))
            .map(str::trim)
    };
    let number = |tail| of(tail).and_then(|value| value.split([',', ';']).next()?.trim().parse().ok());
    Some(RateInfo {
        limit: number("limit")?,
        remaining: number("remaining")?,
        reset_after: of("reset")
            .and_then(|value| retry_after::parse(value, jiff::Timestamp::now()))
            .unwrap_or_default(),
    })
}

/// The media type, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type: String = value.split(';').next()?.trim().chars().take(64).collect();
    Some(media_type.to_ascii_lowercase())
}

/// What an error answer says, and its own id; one without PingOne's `code` is not PingOne's (pingone-api.md §3.5).
pub(crate) fn refusal(status: u16, media_type: Option<String>, body: &[u8]) -> (Reason, Option<String>) {
    let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let Some(code) = parsed.code else {
        let media_type = media_type.unwrap_or_else(|| "none".to_owned());
        let length = body.len();
        return (
            Reason::Foreign {
                status,
                media_type,
                length,
            },
            None,
        );
    };
    let details = parsed.details.unwrap_or_default();
    let detail = details.into_iter().next().unwrap_or_default();
    let mut message = parsed.message.unwrap_or_default();
    if let Some(text) = detail.message.filter(|text| !text.is_empty() && *text != message) {
        message = format!("{} {text}", message.trim_end());
    }
    let reason = Reason::Api {
        status,
        code,
        detail: detail.code,
        target: detail.target.or(parsed.target),
        message,
        more: Box::new(detail.inner_error.unwrap_or_default()),
    };
    (reason, parsed.id)
}

/// What a failed transport was, from its kind; its text may hold URLs and is dropped.
pub(crate) fn transport_reason(error: &reqwest::Error) -> Reason {
    if is_certificate(error) {
        return Reason::Certificate;
    }
    if error.is_timeout() && !error.is_connect() {
        return Reason::TimedOut;
    }
    if error.is_connect() {
        Reason::Network { what: NO_CONNECTION }
    } else if error.is_body() || error.is_decode() {
        Reason::Network {
            what: "the answer broke off",
        }
    } else {
        Reason::Network {
            what: "the connection was lost",
        }
    }
}

/// Whether a refused certificate is at the bottom. An I/O error does not name the error that it wraps as its source, and
/// wraps another I/O error here.
fn is_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = current.downcast_ref::<rustls::Error>() {
            return true;
        }
        let wrapped = current
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests;
