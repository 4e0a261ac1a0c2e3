//! Answers and failures of the HTTP client in our own terms. Nothing of a URL, a header's secret or a body gets into
//! an error.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::error::{ErrorBody, NoConnection, RateInfo, Reason};
use super::retry_after;

/// A header's text.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    text(headers, name).map(str::to_owned)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The time that an answer tells.
pub(crate) fn date(headers: &HeaderMap) -> Option<jiff::Timestamp> {
    let date = text(headers, "date").and_then(|value| jiff::fmt::rfc2822::parse(value).ok());
    date.map(|date| date.timestamp())
}

/// What the answer asks us to wait.
pub(crate) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
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

/// `application/json` and its relatives, such as `application/hal+json`.
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

/// What an error answer says, and its own id. PingOne's has a JSON media type, an `id` and a `code` (pingone-api.md §3.2,
/// §3.3); whatever lacks one of them is somebody else's (§3.5).
///
/// `clean` takes out of each text what it must not hold.
pub(crate) fn refusal(
    status: u16,
    media_type: Option<String>,
    body: &[u8],
    clean: impl Fn(&str) -> String,
) -> (Reason, Option<String>) {
    let parsed: ErrorBody = match &media_type {
        Some(media_type) if is_json(media_type) => serde_json::from_slice(body).unwrap_or_default(),
        _ => ErrorBody::default(),
    };
    let is_said = |text: &String| !text.is_empty();
    let (Some(id), Some(code)) = (parsed.id.filter(is_said), parsed.code.filter(is_said)) else {
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
        code: clean(&code),
        detail: detail.code.map(|code| clean(&code)),
        target: detail.target.or(parsed.target).map(|target| clean(&target)),
        message: clean(&message),
        more: Box::new(detail.inner_error.unwrap_or_default()),
    };
    (reason, Some(id))
}

/// What a failed transport was, from its kind; its text may hold URLs and is dropped. `url` is where the request went.
pub(crate) fn transport_reason(error: &reqwest::Error, url: &Url) -> Reason {
    let cause = connect_cause(error);
    if error.is_connect() || matches!(cause, NoConnection::Certificate | NoConnection::Name) {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        return Reason::NoConnection {
            peer: format!("{host}:{port}"),
            cause,
        };
    }
    if error.is_timeout() {
        return Reason::TimedOut;
    }
    if error.is_decode() && is_not_packed(error) {
        return not_packed();
    }
    let what = if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the connection was lost"
    };
    Reason::Network { what }
}

/// A body that does not unpack. What is cut off breaks off.
pub(crate) fn not_packed() -> Reason {
    let what = "the answer says that it is compressed, and cannot be unpacked".to_owned();
    Reason::Corrupt { what }
}

fn is_not_packed(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let mut io = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.any(|io| {
        matches!(
            io.kind(),
            std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput
        )
    })
}

/// The cause at the bottom of an error. An I/O error does not name the error that it wraps as its source, and wraps
/// another I/O error where a certificate was refused. Resolvers and proxies have no types of their own in the chain, only
/// texts of the libraries that we pin.
fn connect_cause(error: &reqwest::Error) -> NoConnection {
    use std::io::ErrorKind;

    let mut found = NoConnection::Other;
    // The outermost text names the URL.
    let mut next = std::error::Error::source(error);
    while let Some(current) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = current.downcast_ref::<rustls::Error>() {
            return NoConnection::Certificate;
        }
        if current.is::<rustls::pki_types::InvalidDnsNameError>() {
            return NoConnection::Name;
        }
        let io = current.downcast_ref::<std::io::Error>();
        let kind = io.map(std::io::Error::kind);
        let text = current.to_string();
        if text.starts_with("dns error") || text.contains("failed to lookup address") {
            return NoConnection::Dns;
        }
        if text.contains("tunnel") || text.contains("proxy") {
            return NoConnection::Proxy;
        }
        found = match kind {
            Some(ErrorKind::ConnectionRefused) => NoConnection::Refused,
            Some(ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof) => {
                NoConnection::Reset
            }
            Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => NoConnection::Unreachable,
            Some(ErrorKind::TimedOut) => NoConnection::TimedOut,
            _ => found,
        };
        next = match io.and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    if found == NoConnection::Other && error.is_timeout() {
        return NoConnection::TimedOut;
    }
    found
}

#[cfg(test)]
mod tests;
