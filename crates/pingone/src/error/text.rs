//! What a failed call is told as (connector-model.md §10): what was tried, on what, what PingOne said, what to do.

use std::fmt;
use std::time::Duration;

use super::{NoConnection, PingOneError, Reason};
use crate::operation::Operation;
use process::error::ErrorClass;

/// Longest error text in bytes: 1 KiB with our name before it (connector-model.md §10).
const TEXT_MAX_BYTES: usize = 1024 - "baton-ping-one: ".len();

/// A wait that is shorter than any caller's time, so it is not what was missing.
const SHORT_WAIT: Duration = Duration::from_secs(10);

impl NoConnection {
    const fn remedy(self) -> &'static str {
        match self {
            Self::Certificate => {
                "Check pingone-base-url and pingone-auth-url, or name the certificate authority in SSL_CERT_FILE."
            }
            Self::Dns => "Check pingone-region, pingone-base-url and the resolver; nothing was changed.",
            Self::Name => "Check pingone-base-url and pingone-auth-url: a part of a name has 63 characters at most.",
            Self::Proxy => "Check HTTPS_PROXY and what the proxy allows; nothing was changed.",
            _ => "Check the network, the firewall and the proxy settings; nothing was changed.",
        }
    }
}

impl PingOneError {
    /// The error's text with a remedy that only the caller knows.
    pub fn with_remedy(&self, remedy: &str) -> String {
        let page = self
            .page
            .filter(|page| *page > 0)
            .map(|page| format!(", page {page}"))
            .unwrap_or_default();
        let mut text = format!(
            "{} {}{page}: {}",
            self.operation.text(),
            one_line(&self.object),
            self.said()
        );
        if !remedy.is_empty() {
            let room = TEXT_MAX_BYTES.saturating_sub(remedy.len() + 2);
            text = head(&text, room);
            text.push_str(". ");
            text.push_str(remedy);
        }
        head(&text, TEXT_MAX_BYTES)
    }

    fn remedy(&self) -> Option<String> {
        if let Some(advice) = self.advice {
            return Some(advice.to_owned());
        }
        if let Reason::BudgetSpent { retry_after, status } = &self.reason {
            if *status == 0 && retry_after.is_zero() {
                return Some("Try again.".to_owned());
            }
            let seconds = retry_after.as_secs().max(1);
            if *status == 429 && *retry_after < SHORT_WAIT {
                return Some(
                    "PingOne limited the rate as long as it was asked: lower pingone-rate-limit, or find who else uses up \
                     the licence's limit."
                        .to_owned(),
                );
            }
            return Some(format!("Try again in {seconds} s, or lower pingone-rate-limit."));
        }
        if self.is_service_off() {
            let Some(service) = self.operation.service() else {
                let what = "The service behind this call is not enabled in this environment; enable it in PingOne.";
                return Some(what.to_owned());
            };
            return Some(format!(
                "The {service} service is not enabled in this environment; enable it in PingOne or leave the feature off."
            ));
        }
        // PingOne's own words say it all.
        if self.detail_code() == Some("LICENSE_EXCEEDED") {
            return None;
        }
        self.open_write_remedy()
            .or_else(|| self.forbidden_remedy())
            .or_else(|| self.refused_write_remedy())
            .or_else(|| self.fixed_remedy())
            .map(str::to_owned)
    }

    /// Of a write that may have taken effect.
    fn open_write_remedy(&self) -> Option<&'static str> {
        if !self.operation.is_write() {
            return None;
        }
        match &self.reason {
            Reason::LostAnswer => Some("Whether it took effect is read back before anything is repeated."),
            Reason::Foreign { status: 200..=299, .. } => Some(
                "This is not an answer of PingOne's: a proxy or maintenance stands between. Whether the change took \
                 effect is read back before anything is repeated.",
            ),
            Reason::Corrupt { .. } | Reason::NotJson { .. } => Some(
                "Whether it took effect is read back before anything is repeated; check that nothing between changes \
                 answers.",
            ),
            _ => None,
        }
    }

    /// Of a right that our client lacks.
    fn forbidden_remedy(&self) -> Option<&'static str> {
        let other = matches!(self.reason, Reason::EnvironmentMissing | Reason::Foreign { .. });
        if other || self.class() != ErrorClass::Forbidden {
            return None;
        }
        Some(if self.operation.assigns_roles() {
            "The worker application must itself hold the role, or a role allowed to assign it, at the scope."
        } else if self.operation == Operation::ListRoleAssignments {
            "Give the application Identity Data Read Only or Identity Data Admin for this environment; it must be of \
             type Worker. Or leave roles out of the sync: --sync-resource-types without role."
        } else if let Some(remedy) = self.operation.right_missing() {
            remedy
        } else if self.operation.is_write() {
            "Give the application Identity Data Admin for this environment; it must be of type Worker."
        } else {
            "Give the application Identity Data Read Only or Identity Data Admin for this environment; it must be of \
             type Worker."
        })
    }

    /// Of a write that PingOne refused.
    fn refused_write_remedy(&self) -> Option<&'static str> {
        let Reason::Api { status, .. } = &self.reason else {
            return None;
        };
        if !self.operation.is_write() {
            return None;
        }
        match self.class() {
            ErrorClass::Rejected if matches!(status, 412 | 423) => {
                Some("It is being changed by somebody else at the moment: try again in a minute.")
            }
            ErrorClass::Rejected => Some("Correct what PingOne does not take, then try again."),
            ErrorClass::NotFound => Some("Look in PingOne whether it is still there; the next sync shows what is."),
            ErrorClass::AlreadyExists => Some("Look in PingOne at what stands in the way, then try again."),
            _ => None,
        }
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
            (Reason::Api { .. }, ErrorClass::Auth) => {
                "PingOne does not take a token that was issued a moment ago: check that pingone-base-url, \
                 pingone-auth-url and pingone-region belong to the same region."
            }
            (_, ErrorClass::Auth) => {
                "Check pingone-client-id, pingone-client-secret and pingone-region; the worker application must be \
                 enabled and allow the client credentials grant."
            }
            (Reason::Api { .. }, ErrorClass::Rejected) if !write => {
                "Try again; if it stays, report the request id to Ping Identity."
            }
            (Reason::Api { .. }, ErrorClass::NotFound) if self.page.is_some() => {
                "Nothing was synced: check pingone-base-url, and what stands between here and PingOne."
            }
            (Reason::Api { .. }, ErrorClass::Transient { .. }) if !write => {
                "It was asked again for as long as there was time; if it stays, report the request id to Ping Identity."
            }
            (Reason::NoConnection { cause, .. }, _) => cause.remedy(),
            (Reason::Network { .. } | Reason::TimedOut, _) => {
                "Check the network, the proxy and pingone-region; nothing was changed."
            }
            (Reason::CursorRejected { .. }, _) => {
                "The cursor dies before the listing ends: raise pingone-rate-limit, or read less at a time with \
                 population-filter."
            }
            (Reason::Short { .. }, _) => "Nothing was synced. Try again; if it stays, report it to Ping Identity.",
            (Reason::NotJson { .. }, _) if !write => {
                "This is not an answer of PingOne's: a proxy or maintenance stands between. Nothing was synced."
            }
            (Reason::ForeignHost, _) => "Set pingone-base-url or pingone-region to the host that PingOne answers with.",
            (Reason::Endless, _) => "Nothing was synced; report this page to Ping Identity with the request id.",
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
                format!("{message} ({status} {}{})", one_line(code), self.request())
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
            Reason::NoConnection { peer, cause } => format!("no connection to {peer}: {}", cause.as_str()),
            Reason::Network { what } => (*what).to_owned(),
            Reason::CursorRejected { restarts, status } => {
                let request = self.request();
                format!("its cursor was rejected again after {restarts} fresh starts ({status}{request})")
            }
            Reason::Short { told, found } => {
                format!("the listing says that it holds {told} items and held {found}, twice")
            }
            Reason::NotJson {
                media_type,
                length,
                times,
            } => {
                let request = self.request();
                format!(
                    "an answer of type {media_type} with {length} bytes that is not JSON, {times} times in a row{request}"
                )
            }
            Reason::TimedOut => "no answer in time".to_owned(),
            Reason::LostAnswer => "the answer was lost on the way".to_owned(),
            Reason::NotBegun => "not sent, because this instance was told to stop or does not lead any more".to_owned(),
            Reason::Corrupt { what } => format!("{what}{}", self.request()),
            Reason::ForeignHost => format!("the next page is at a foreign host{}", self.request()),
            Reason::Endless => format!("the listing does not end{}", self.request()),
            Reason::BudgetSpent { status: 0, retry_after } if retry_after.is_zero() => {
                "no time is left for it".to_owned()
            }
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

/// Control characters would let an answer forge log lines, and those that turn the direction of text what stands in them.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                line.extend(c.escape_unicode());
            }
            c if c.is_control() => line.push(' '),
            c => line.push(c),
        }
    }
    line
}
