//! The worker's token (pingone-api.md §2): one request at a time however many callers wait, renewed before it expires,
//! dropped when PingOne refuses it or the credentials change. The token and the secret stay in secrecy types.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::assertion::AssertionKey;
use super::echo;
use super::error::{PingOneError, Reason};
use super::lenient;
use super::limiter::TooLong;
use super::operation::Operation;
use super::throttle::Throttle;
use super::transport::{asked_wait, header, media_type, transport_reason};
use process::redact::redact;
use process::runtime::current::Current;

/// Share of a token's life after which it is renewed.
const RENEW_AT: f64 = 0.85;
/// How long before its end a token begins no request any more, though a listing began with it.
const LAST_USE: Duration = Duration::from_secs(2);
/// Life of a token whose answer tells none.
const UNKNOWN_LIFE: Duration = Duration::from_mins(5);
/// Longest body of a token answer that is read.
const BODY_MAX: usize = 64 * 1024;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Of a refused key: PingOne says no more than `invalid_client`.
const KEY_REFUSED: &str = "Check pingone-client-id, pingone-private-key and pingone-region; the worker application must be \
     enabled, allow the client credentials grant, have Private Key JWT as its token auth method, and know the key's public \
     half in its JWKS (pingone-private-key-id names it where there are several). An assertion also needs the right time on \
     this machine.";

/// What the worker application shows who it is by.
#[derive(Clone)]
enum Authentication {
    Secret(SecretString),
    Key(Arc<AssertionKey>),
}

/// The worker application's credentials.
#[derive(Clone)]
pub struct Credentials {
    client_id: String,
    authentication: Authentication,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authentication = match &self.authentication {
            Authentication::Secret(_) => "a secret",
            Authentication::Key(_) => "a key",
        };
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("authentication", &authentication)
            .finish()
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.client_id == other.client_id
            && self.key_id() == other.key_id()
            && self.secret().expose_secret() == other.secret().expose_secret()
    }
}

impl Credentials {
    /// Of an application with a client secret.
    pub const fn with_secret(client_id: String, secret: SecretString) -> Self {
        Self {
            client_id,
            authentication: Authentication::Secret(secret),
        }
    }

    /// Of an application whose token endpoint authentication method is `PRIVATE_KEY_JWT`.
    pub fn with_key(client_id: String, key: AssertionKey) -> Self {
        Self {
            client_id,
            authentication: Authentication::Key(Arc::new(key)),
        }
    }

    /// OAuth client id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What is secret of them: the client secret, or the private key in PEM form.
    pub fn secret(&self) -> &SecretString {
        match &self.authentication {
            Authentication::Secret(secret) => secret,
            Authentication::Key(key) => key.pem(),
        }
    }

    /// The `kid` of the private key, where it has one.
    pub fn key_id(&self) -> Option<&str> {
        match &self.authentication {
            Authentication::Secret(_) => None,
            Authentication::Key(key) => key.id(),
        }
    }
}

/// How the credentials are sent (pingone-api.md §2.1).
#[derive(Clone, Copy)]
enum Sent<'a> {
    Basic(&'a SecretString),
    InBody(&'a SecretString),
    Assertion(&'a AssertionKey),
}

/// A token in use.
#[derive(Clone)]
pub(crate) struct Token {
    /// The whole `Authorization` value, marked sensitive.
    pub(crate) header: HeaderValue,
    /// Counts tokens, so that a refusal drops the refused one only.
    pub(crate) serial: u64,
    renew_at: Instant,
    /// When PingOne stops taking it.
    dies_at: Instant,
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
    /// What must not be in any text: the token, and the secret that it was fetched with.
    pub(crate) fn secrets(&self) -> [&str; 2] {
        let header = self.header.to_str().unwrap_or_default();
        let token = header.strip_prefix("Bearer ").unwrap_or(header);
        [token, self.credentials.secret().expose_secret()]
    }

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
    credentials: Current<Credentials>,
    known: Mutex<Known>,
    serial: AtomicU64,
    in_body: AtomicBool,
}

impl TokenSource {
    pub(crate) fn new(http: reqwest::Client, url: reqwest::Url, credentials: Current<Credentials>) -> Self {
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
        self.credentials.get().client_id().to_owned()
    }

    /// Whether a token may still begin a request: its time has not come, and the credentials in force are its own.
    pub(crate) fn is_good(&self, token: &Token) -> bool {
        token.is_good(&self.credentials.get())
    }

    /// Whether a listing that began with this token may go on with it: it lives, and its credentials are in force.
    pub(crate) fn lives(&self, token: &Token) -> bool {
        Instant::now() < token.dies_at && Arc::ptr_eq(&token.credentials, &self.credentials.get())
    }

    /// A token that is good for now. Callers that come while one is fetched wait for that one and share its failure:
    /// repeated attempts with a refused secret may lock the application.
    pub(crate) async fn token(&self, throttle: &Throttle, deadline: Instant) -> Result<Token, PingOneError> {
        let asked = Instant::now();
        let mut known = self.known.lock().await;
        loop {
            let wanted = self.credentials.get();
            if let Some(token) = known.token.as_ref().filter(|token| token.is_good(&wanted)) {
                return Ok(token.clone());
            }
            if let Some((at, with, error)) = &known.failed
                && *at > asked
                && Arc::ptr_eq(with, &wanted)
            {
                return Err(error.clone());
            }
            match self.fetch(&wanted, throttle, deadline).await {
                Ok(token) => {
                    known.failed = None;
                    known.token = Some(token);
                }
                // Renewed while the old ones were tried: those decide.
                Err(_) if !Arc::ptr_eq(&self.credentials.get(), &wanted) => {}
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

    /// A key in one way only. A secret in the header first; where the answer speaks of the method, the body once, and what
    /// worked is remembered (pingone-api.md §2.1).
    async fn fetch(
        &self,
        credentials: &Arc<Credentials>,
        throttle: &Throttle,
        deadline: Instant,
    ) -> Result<Token, PingOneError> {
        let secret = match &credentials.authentication {
            Authentication::Key(key) => {
                let asked = self.ask(credentials, Sent::Assertion(key), throttle, deadline).await;
                return asked.map_err(|refusal| match refusal.error.reason {
                    Reason::Token { .. } => refusal.error.advising(KEY_REFUSED),
                    _ => refusal.error,
                });
            }
            Authentication::Secret(secret) => secret,
        };
        let in_body = self.in_body.load(Ordering::Relaxed);
        let sent = |in_body| {
            if in_body {
                Sent::InBody(secret)
            } else {
                Sent::Basic(secret)
            }
        };
        match self.ask(credentials, sent(in_body), throttle, deadline).await {
            Ok(token) => Ok(token),
            Err(refusal) if refusal.method => match self.ask(credentials, sent(!in_body), throttle, deadline).await {
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
        sent_as: Sent<'_>,
        throttle: &Throttle,
        deadline: Instant,
    ) -> Result<Token, Refusal> {
        let place = throttle
            .enter(Operation::Token, deadline)
            .await
            .map_err(|TooLong(wait)| failed(Reason::no_turn(wait), None, None))?;
        let sent = Instant::now();
        let exchange = self.exchange(&credentials.client_id, sent_as);
        let outcome = match tokio::time::timeout_at(deadline, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failed(Reason::TimedOut, None, None)),
        };
        drop(place);
        let status = outcome.as_ref().ok().map(|answer| answer.status);
        let retry_after = outcome.as_ref().ok().and_then(|answer| answer.retry_after);
        throttle.left(Operation::Token, status, sent, retry_after);
        let answer = outcome?;
        if answer.status != 200 {
            return Err(refusal(&answer, credentials));
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
            dies_at: sent + life.saturating_sub(LAST_USE),
            credentials: Arc::clone(credentials),
        })
    }

    async fn exchange(&self, client_id: &str, sent_as: Sent<'_>) -> Result<TokenAnswer, PingOneError> {
        const GRANT: (&str, &str) = ("grant_type", "client_credentials");
        let request = self.http.post(self.url.clone());
        let request = match sent_as {
            // Raw base64 of `id:secret`, as PingOne's own samples send it (pingone-api.md §2.1, S).
            Sent::Basic(secret) => request
                .basic_auth(client_id, Some(secret.expose_secret()))
                .form(&[GRANT]),
            Sent::InBody(secret) => request.form(&[
                GRANT,
                ("client_id", client_id),
                ("client_secret", secret.expose_secret()),
            ]),
            Sent::Assertion(key) => {
                let now = jiff::Timestamp::now().as_second();
                let unsigned = || Reason::Corrupt {
                    what: "the assertion was not signed".to_owned(),
                };
                let assertion = key.sign(client_id, self.url.as_str(), now);
                let assertion = assertion.ok_or_else(|| failed(unsigned(), None, None))?;
                request.form(&[
                    GRANT,
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", assertion.expose_secret()),
                ])
            }
        };
        let answer = request
            .send()
            .await
            .map_err(|error| failed(transport_reason(&error, &self.url), None, None))?;
        let request_id = header(answer.headers(), "correlation-id").filter(|id| echo::is_plain_id(id));
        let media_type = media_type(answer.headers()).unwrap_or_else(|| "none".to_owned());
        Ok(TokenAnswer {
            media_type,
            status: answer.status().as_u16(),
            retry_after: asked_wait(answer.headers()),
            body: read_limited(answer, &self.url)
                .await
                .map_err(|reason| failed(reason, request_id.clone(), None))?,
            request_id,
        })
    }
}

/// What the token endpoint answered. The body may hold a token and is wiped.
struct TokenAnswer {
    media_type: String,
    status: u16,
    retry_after: Option<Duration>,
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

fn refusal(answer: &TokenAnswer, credentials: &Credentials) -> Refusal {
    let status = answer.status;
    let failed = |reason| failed(reason, answer.request_id.clone(), answer.retry_after);
    let parsed: TokenErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    if parsed.error.is_none() && parsed.code.is_none() && status != 429 {
        return failed(Reason::Foreign {
            status,
            media_type: answer.media_type.clone(),
            length: answer.body.len(),
        })
        .into();
    }
    if status == 404 {
        return failed(Reason::EnvironmentMissing).into();
    }
    let description = parsed.error_description.unwrap_or_default().to_lowercase();
    // Whether the text speaks of the method only decides on one more try, never on what is reported.
    let method = parsed.error.as_deref() == Some("invalid_client") && description.contains("method");
    let error = parsed.error.or(parsed.code).unwrap_or_else(|| "unknown".to_owned());
    let error = redact(&error, credentials.secret().expose_secret());
    Refusal {
        error: failed(Reason::Token { status, error }),
        method,
    }
}

async fn read_limited(mut answer: reqwest::Response, url: &reqwest::Url) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let mut body = Zeroizing::new(Vec::with_capacity(8 * 1024));
    while let Some(chunk) = answer.chunk().await.map_err(|error| transport_reason(&error, url))? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_MAX {
            return Err(Reason::Corrupt {
                what: "the token answer is too long".to_owned(),
            });
        }
    }
    Ok(body)
}
