//! The worker's token (pingone-api.md §2): one request at a time however many callers wait, renewed before it expires,
//! dropped when PingOne refuses it or the credentials change. The token and the secret stay in secrecy types.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::error::{PingOneError, Reason};
use super::gate::Gate;
use super::lenient;
use super::limiter::TooLong;
use super::operation::Operation;
use super::transport::{header, transport_reason, wish};

/// Share of a token's life after which it is renewed.
const RENEW_AT: f64 = 0.85;
/// Life of a token whose answer tells none.
const UNKNOWN_LIFE: Duration = Duration::from_mins(5);
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

impl Token {
    fn is_good(&self, credentials: &Arc<Credentials>) -> bool {
        Instant::now() < self.renew_at && Arc::ptr_eq(&self.credentials, credentials)
    }
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: SecretString,
    #[serde(default, deserialize_with = "lenient::seconds")]
    expires_in: Option<Duration>,
}

#[derive(Deserialize, Default)]
struct TokenErrorBody {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
    /// The platform's error body, which the endpoint uses for 404 and 429.
    #[serde(default)]
    code: Option<String>,
}

/// How one attempt at a token ended.
struct Refusal {
    error: PingOneError,
    /// The other way to send the credentials is worth one try.
    method: bool,
}

impl From<PingOneError> for Refusal {
    fn from(error: PingOneError) -> Self {
        Self { error, method: false }
    }
}

/// What is known of tokens.
#[derive(Debug, Default)]
struct Known {
    token: Option<Token>,
    /// The last failure, for those who waited while it happened.
    failed: Option<(Instant, Arc<Credentials>, PingOneError)>,
}

/// Gets tokens.
#[derive(Debug)]
pub(crate) struct TokenSource {
    http: reqwest::Client,
    url: reqwest::Url,
    credentials: watch::Receiver<Arc<Credentials>>,
    known: Mutex<Known>,
    serial: AtomicU64,
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
            known: Mutex::default(),
            serial: AtomicU64::new(0),
            in_body: AtomicBool::new(false),
        }
    }

    /// The client id in force.
    pub(crate) fn client_id(&self) -> String {
        self.credentials.borrow().client_id.clone()
    }

    /// Whether a token may still begin a request: its time has not come, and the credentials in force are its own.
    pub(crate) fn is_good(&self, token: &Token) -> bool {
        token.is_good(&self.credentials.borrow())
    }

    /// Grows with every token, so that a listing can tell whether its token changed.
    pub(crate) fn serial(&self) -> u64 {
        self.serial.load(Ordering::Relaxed)
    }

    /// A token that is good for now. Callers that come while one is fetched wait for that one and share its failure:
    /// repeated attempts with a refused secret may lock the application.
    pub(crate) async fn token(&self, gate: &Gate, deadline: Instant) -> Result<Token, PingOneError> {
        let asked = Instant::now();
        let mut known = self.known.lock().await;
        loop {
            let wanted = Arc::clone(&self.credentials.borrow());
            if let Some(token) = known.token.as_ref().filter(|token| token.is_good(&wanted)) {
                return Ok(token.clone());
            }
            if let Some((at, with, error)) = &known.failed
                && *at > asked
                && Arc::ptr_eq(with, &wanted)
            {
                return Err(error.clone());
            }
            match self.fetch(&wanted, gate, deadline).await {
                Ok(token) => {
                    known.failed = None;
                    known.token = Some(token);
                }
                // Renewed while the old ones were tried: those decide.
                Err(_) if !Arc::ptr_eq(&self.credentials.borrow(), &wanted) => {}
                Err(error) => {
                    known.failed = Some((Instant::now(), wanted, error.clone()));
                    return Err(error);
                }
            }
            // A token without any life would be fetched for ever.
            if let Some(token) = known
                .token
                .as_ref()
                .filter(|token| Arc::ptr_eq(&token.credentials, &wanted))
            {
                return Ok(token.clone());
            }
        }
    }

    /// PingOne refused this token: the next caller fetches a new one.
    pub(crate) async fn refused(&self, serial: u64) {
        let mut known = self.known.lock().await;
        if known.token.as_ref().is_some_and(|token| token.serial == serial) {
            known.token = None;
        }
    }

    /// Basic first; where the answer speaks of the method, the body once, and what worked is remembered
    /// (pingone-api.md §2.1).
    async fn fetch(
        &self,
        credentials: &Arc<Credentials>,
        gate: &Gate,
        deadline: Instant,
    ) -> Result<Token, PingOneError> {
        let in_body = self.in_body.load(Ordering::Relaxed);
        match self.ask(credentials, in_body, gate, deadline).await {
            Ok(token) => Ok(token),
            Err(refusal) if refusal.method => match self.ask(credentials, !in_body, gate, deadline).await {
                Ok(token) => {
                    self.in_body.store(!in_body, Ordering::Relaxed);
                    Ok(token)
                }
                Err(_) => Err(refusal.error),
            },
            Err(refusal) => Err(refusal.error),
        }
    }

    async fn ask(
        &self,
        credentials: &Arc<Credentials>,
        in_body: bool,
        gate: &Gate,
        deadline: Instant,
    ) -> Result<Token, Refusal> {
        let place = gate
            .enter(Operation::Token, deadline)
            .await
            .map_err(|TooLong(wait)| failed(Reason::spent(wait, 429), None, None))?;
        let sent = Instant::now();
        let exchange = self.exchange(credentials, in_body);
        let outcome = match tokio::time::timeout_at(deadline, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failed(Reason::TimedOut, None, None)),
        };
        drop(place);
        let status = outcome.as_ref().ok().map(|answer| answer.status);
        let wish = outcome.as_ref().ok().and_then(|answer| answer.wish);
        gate.left(Operation::Token, status, sent, wish);
        let answer = outcome?;
        if answer.status != 200 {
            return Err(refusal(&answer));
        }
        let corrupt = || {
            let what = "the token answer lacks a usable access_token".to_owned();
            failed(Reason::Corrupt { what }, answer.request_id.clone(), None)
        };
        let body: TokenBody = serde_json::from_slice(&answer.body).map_err(|_| corrupt())?;
        let mut header =
            HeaderValue::try_from(format!("Bearer {}", body.access_token.expose_secret())).map_err(|_| corrupt())?;
        header.set_sensitive(true);
        let life = body.expires_in.unwrap_or(UNKNOWN_LIFE);
        Ok(Token {
            header,
            serial: self.serial.fetch_add(1, Ordering::Relaxed),
            renew_at: sent + life.mul_f64(RENEW_AT),
            credentials: Arc::clone(credentials),
        })
    }

    async fn exchange(&self, credentials: &Credentials, in_body: bool) -> Result<TokenAnswer, PingOneError> {
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
        let answer = request
            .send()
            .await
            .map_err(|error| failed(transport_reason(&error), None, None))?;
        let request_id = header(answer.headers(), "correlation-id");
        Ok(TokenAnswer {
            status: answer.status().as_u16(),
            wish: wish(answer.headers()),
            body: read_limited(answer)
                .await
                .map_err(|reason| failed(reason, request_id.clone(), None))?,
            request_id,
        })
    }
}

/// What the token endpoint answered. The body may hold a token and is wiped.
struct TokenAnswer {
    status: u16,
    wish: Option<Duration>,
    body: Zeroizing<Vec<u8>>,
    request_id: Option<String>,
}

fn failed(reason: Reason, request_id: Option<String>, retry_after: Option<Duration>) -> PingOneError {
    PingOneError {
        request_id,
        retry_after,
        ..PingOneError::new(Operation::Token, "the worker application", reason)
    }
}

fn refusal(answer: &TokenAnswer) -> Refusal {
    let status = answer.status;
    let failed = |reason| failed(reason, answer.request_id.clone(), answer.wish);
    if status == 404 {
        return failed(Reason::EnvironmentMissing).into();
    }
    let parsed: TokenErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    let description = parsed.error_description.unwrap_or_default().to_lowercase();
    // Whether the text speaks of the method only decides on one more try, never on what is reported.
    let method = parsed.error.as_deref() == Some("invalid_client") && description.contains("method");
    let error = parsed.error.or(parsed.code).unwrap_or_else(|| "unknown".to_owned());
    Refusal {
        error: failed(Reason::Token { status, error }),
        method,
    }
}

async fn read_limited(mut answer: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let mut body = Zeroizing::new(Vec::with_capacity(8 * 1024));
    while let Some(chunk) = answer.chunk().await.map_err(|error| transport_reason(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_MAX {
            return Err(Reason::Corrupt {
                what: "the token answer is too long".to_owned(),
            });
        }
    }
    Ok(body)
}
