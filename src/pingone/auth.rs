//! The worker's token (pingone-api.md §2): one request at a time however many callers wait, renewed before it expires,
//! dropped when PingOne refuses it or the credentials change. The token and the secret stay in secrecy types.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::error::{PingOneError, Reason};
use super::operation::Operation;
use super::retry_after;

/// Share of a token's life after which it is renewed.
const RENEW_AT: f64 = 0.85;
/// Longest body of a token answer that is read.
const BODY_MAX: usize = 64 * 1024;

/// The worker application's credentials.
#[derive(Clone)]
pub struct Credentials {
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: SecretString,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client_id,
            client_secret: _,
        } = self;
        f.debug_struct("Credentials")
            .field("client_id", client_id)
            .field("client_secret", &"…")
            .finish()
    }
}

/// A token in use.
#[derive(Clone)]
pub(crate) struct Token {
    /// The whole `Authorization` value, marked sensitive.
    pub(crate) header: HeaderValue,
    /// Counts tokens, so that a refusal drops the refused one only.
    pub(crate) serial: u64,
    renew_at: Instant,
    credentials: Arc<Credentials>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<f64>,
}

#[derive(Deserialize, Default)]
struct TokenErrorBody {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

/// How one attempt at a token ended.
pub(crate) struct Refusal {
    pub(crate) error: PingOneError,
    /// The other way to send the credentials is worth one try.
    method: bool,
}

/// Gets tokens.
#[derive(Debug)]
pub(crate) struct TokenSource {
    http: reqwest::Client,
    url: reqwest::Url,
    credentials: watch::Receiver<Arc<Credentials>>,
    current: Mutex<Option<Token>>,
    serial: std::sync::atomic::AtomicU64,
    in_body: AtomicBool,
}

impl TokenSource {
    pub(crate) fn new(
        http: reqwest::Client,
        url: reqwest::Url,
        credentials: watch::Receiver<Arc<Credentials>>,
    ) -> Self {
        Self {
            http,
            url,
            credentials,
            current: Mutex::new(None),
            serial: std::sync::atomic::AtomicU64::new(0),
            in_body: AtomicBool::new(false),
        }
    }

    /// The client id in use.
    pub(crate) fn client_id(&self) -> String {
        self.credentials.borrow().client_id.clone()
    }

    /// A token that is good for now. Callers that come while one is fetched wait for that one.
    pub(crate) async fn token(&self) -> Result<Token, PingOneError> {
        let mut current = self.current.lock().await;
        let wanted = Arc::clone(&self.credentials.borrow());
        let usable = current
            .as_ref()
            .filter(|token| Instant::now() < token.renew_at && Arc::ptr_eq(&token.credentials, &wanted));
        if let Some(token) = usable {
            return Ok(token.clone());
        }
        let token = self.fetch(&wanted).await?;
        *current = Some(token.clone());
        Ok(token)
    }

    /// PingOne refused this token: the next caller fetches a new one.
    pub(crate) async fn refused(&self, serial: u64) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|token| token.serial == serial) {
            *current = None;
        }
    }

    /// Basic first; where the answer speaks of the method, the body once, and what worked is remembered
    /// (pingone-api.md §2.1).
    async fn fetch(&self, credentials: &Arc<Credentials>) -> Result<Token, PingOneError> {
        let in_body = self.in_body.load(Ordering::Relaxed);
        match self.ask(credentials, in_body).await {
            Ok(token) => Ok(token),
            Err(refusal) if refusal.method => match self.ask(credentials, !in_body).await {
                Ok(token) => {
                    self.in_body.store(!in_body, Ordering::Relaxed);
                    Ok(token)
                }
                Err(_) => Err(refusal.error),
            },
            Err(refusal) => Err(refusal.error),
        }
    }

    async fn ask(&self, credentials: &Arc<Credentials>, in_body: bool) -> Result<Token, Refusal> {
        let secret = credentials.client_secret.expose_secret();
        let request = self.http.post(self.url.clone());
        let request = if in_body {
            request.form(&[
                ("grant_type", "client_credentials"),
                ("client_id", credentials.client_id.as_str()),
                ("client_secret", secret),
            ])
        } else {
            // Raw base64 of `id:secret`, as PingOne's own samples send it (pingone-api.md §2.1, S).
            request
                .basic_auth(&credentials.client_id, Some(secret))
                .form(&[("grant_type", "client_credentials")])
        };
        let begun = Instant::now();
        let answer = request.send().await.map_err(|error| Refusal {
            error: network(&error),
            method: false,
        })?;
        let status = answer.status().as_u16();
        let request_id = header(&answer, "correlation-id");
        let wait = header(&answer, "retry-after").and_then(|value| retry_after::parse(&value, jiff::Timestamp::now()));
        let failed = |reason| PingOneError {
            operation: Operation::Token,
            object: "the worker application".to_owned(),
            request_id: request_id.clone(),
            reason,
            retry_after: wait,
        };
        let body = read_limited(answer).await.map_err(|reason| Refusal {
            error: failed(reason),
            method: false,
        })?;
        if status != 200 {
            return Err(refusal(status, &body, &failed));
        }
        let corrupt = || Refusal {
            error: failed(Reason::Corrupt {
                what: "the token answer lacks a usable access_token".to_owned(),
            }),
            method: false,
        };
        let body: TokenBody = serde_json::from_slice(&body).map_err(|_| corrupt())?;
        let mut header =
            HeaderValue::try_from(format!("Bearer {}", body.access_token.expose_secret())).map_err(|_| corrupt())?;
        header.set_sensitive(true);
        let life = body
            .expires_in
            .filter(|life| life.is_finite() && *life > 0.0)
            .unwrap_or(0.0);
        Ok(Token {
            header,
            serial: self.serial.fetch_add(1, Ordering::Relaxed),
            renew_at: begun + Duration::try_from_secs_f64(life * RENEW_AT).unwrap_or_default(),
            credentials: Arc::clone(credentials),
        })
    }
}

fn refusal(status: u16, body: &[u8], failed: &dyn Fn(Reason) -> PingOneError) -> Refusal {
    let parsed: TokenErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let description = parsed.error_description.unwrap_or_default().to_lowercase();
    // Whether the text speaks of the method only decides on one more try, never on what is reported.
    let method = parsed.error.as_deref() == Some("invalid_client") && description.contains("method");
    let error = parsed.error.unwrap_or_else(|| "unknown".to_owned());
    if status == 404 {
        return Refusal {
            error: failed(Reason::EnvironmentMissing),
            method: false,
        };
    }
    Refusal {
        error: failed(Reason::Token { status, error }),
        method,
    }
}

async fn read_limited(mut answer: reqwest::Response) -> Result<Vec<u8>, Reason> {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => {
                return Err(Reason::Network {
                    what: "the token answer broke off",
                });
            }
        }
        if body.len() > BODY_MAX {
            return Err(Reason::Corrupt {
                what: "the token answer is too long".to_owned(),
            });
        }
    }
}

/// A header's text.
pub(crate) fn header(answer: &reqwest::Response, name: &str) -> Option<String> {
    answer
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn network(error: &reqwest::Error) -> PingOneError {
    PingOneError {
        operation: Operation::Token,
        object: "the worker application".to_owned(),
        request_id: None,
        reason: transport_reason(error),
        retry_after: None,
    }
}

/// What a failed transport was, from its kind; its text may hold URLs and is dropped.
pub(crate) fn transport_reason(error: &reqwest::Error) -> Reason {
    if error.is_timeout() {
        return Reason::TimedOut;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(current) = cause {
        if let Some(rustls::Error::InvalidCertificate(_)) = current.downcast_ref::<rustls::Error>() {
            return Reason::Certificate;
        }
        // An I/O error may wrap the TLS error without naming it as its source.
        let inner = current
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if let Some(rustls::Error::InvalidCertificate(_)) =
            inner.and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return Reason::Certificate;
        }
        cause = current.source();
    }
    if error.is_connect() {
        Reason::Network { what: "no connection" }
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
