//! `OAuth2` client credentials with a signed assertion (c1-protocol.md §3). One fetch at a time, cached until shortly
//! before it expires, dropped when C1 refuses it, replaced when other credentials are in force. Assertion and token leave
//! this process only in a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::assertion::assertion;
use super::connect::{ConnectError, Connector};
use super::endpoint::ClientId;
use super::key::C1Credentials;
use process::error::ErrorClass;
use process::runtime::current::Current;
use process::runtime::spawn::{background, detached};

const PATH: &str = "/auth/v1/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// A token is not used in its last seconds.
const EARLY: Duration = Duration::from_secs(10);
const HEADERS_LIMIT: Duration = Duration::from_mins(1);
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Before another token is asked for with new credentials that got none.
const ROTATE_AGAIN: Duration = Duration::from_secs(5);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The endpoint could not be reached.
    #[error("no connection to the token endpoint")]
    Connect(#[from] ConnectError),
    /// The endpoint answered something else than 200.
    #[error("failed to get token: {status}")]
    Status {
        /// Its status.
        status: StatusCode,
    },
    /// The exchange broke.
    #[error("the token request broke off")]
    Http(#[source] hyper::Error),
    /// It took too long.
    #[error("the token endpoint did not answer within {} s", limit.as_secs())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The body is not what it must be.
    #[error("failed to get token: the answer is not the expected JSON")]
    Body,
    /// No token in it.
    #[error("failed to get token: empty access token")]
    Empty,
    /// The assertion could not be made.
    #[error("the token request could not be built")]
    Build,
    /// The credentials are those of another tenant; a session serves one.
    #[error("the client id names another host than the one that this session began with")]
    OtherTenant,
}

impl TokenError {
    /// What kind of failure it is. Only 400, 401 and 403 end the start (DEV-3).
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Connect(error) => error.class(),
            Self::Status { status } => match status.as_u16() {
                400 | 401 | 403 => ErrorClass::Auth,
                429 => ErrorClass::Throttled { retry_after: None },
                _ => ErrorClass::Transient { retry_after: None },
            },
            Self::Http(_) | Self::Timeout { .. } => ErrorClass::Transient { retry_after: None },
            Self::Body | Self::Empty => ErrorClass::Corrupt,
            Self::Build => ErrorClass::Bug,
            Self::OtherTenant => ErrorClass::Rejected,
        }
    }
}

/// A token in the form in which it is sent.
#[derive(Clone)]
pub(super) struct Bearer {
    value: HeaderValue,
    /// Tells tokens apart without showing them.
    serial: u64,
}

impl Bearer {
    /// The value of `authorization`.
    pub(super) const fn header(&self) -> &HeaderValue {
        &self.value
    }
}

struct Cached {
    bearer: Bearer,
    expires_at: Instant,
    /// Whose token it is.
    credentials: Arc<C1Credentials>,
}

impl Cached {
    fn left(&self) -> Duration {
        self.expires_at.saturating_duration_since(Instant::now())
    }
}

/// The tokens of whatever credentials are in force.
pub(super) struct TokenSource {
    connector: Connector,
    credentials: Current<C1Credentials>,
    /// The tenant that the connection leads to: no assertion of another one is sent there.
    tenant: ClientId,
    /// Limit of one fetch, `http-timeout-seconds`.
    limit: Duration,
    user_agent: HeaderValue,
    cached: std::sync::Mutex<Option<Cached>>,
    serial: AtomicU64,
    /// Held over a fetch, with the time before which a rotation is not tried again. Whoever asks meanwhile waits for the
    /// one request that is under way.
    fetching: Arc<Mutex<Option<Instant>>>,
}

impl TokenSource {
    pub(super) fn new(
        connector: Connector,
        credentials: Current<C1Credentials>,
        limit: Duration,
        user_agent: HeaderValue,
    ) -> Self {
        Self {
            connector,
            tenant: credentials.get().client_id.clone(),
            credentials,
            limit,
            user_agent,
            cached: std::sync::Mutex::default(),
            serial: AtomicU64::new(0),
            fetching: Arc::default(),
        }
    }

    /// A token that is good now. A request for one goes on when the caller stops waiting, so that a slow endpoint is not
    /// asked again and again. After a rotation the token of the credentials before is used until there is one for the new
    /// ones: no call waits for that.
    pub(super) async fn bearer(self: &Arc<Self>) -> Result<Bearer, TokenError> {
        let wanted = self.credentials.get();
        if let Some((bearer, is_wanted)) = self.good(&wanted) {
            if !is_wanted {
                self.rotate(wanted);
            }
            return Ok(bearer);
        }
        let source = Arc::clone(self);
        detached(async move { source.cached_or_fetched().await }).await
    }

    /// The token in the cache, unless its end is near, and whether it is one of these credentials.
    fn good(&self, wanted: &Arc<C1Credentials>) -> Option<(Bearer, bool)> {
        let cached = self.cached();
        let cached = cached.as_ref().filter(|cached| cached.left() > EARLY)?;
        Some((cached.bearer.clone(), Arc::ptr_eq(&cached.credentials, wanted)))
    }

    fn cached(&self) -> MutexGuard<'_, Option<Cached>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn cached_or_fetched(&self) -> Result<Bearer, TokenError> {
        let _one = self.fetching.lock().await;
        let wanted = self.credentials.get();
        if let Some((bearer, true)) = self.good(&wanted) {
            return Ok(bearer);
        }
        match self.fetch(&wanted).await {
            Ok(fetched) => Ok(self.store(wanted, fetched)),
            // In its last seconds the old one is better than none.
            Err(error) => match self.cached().as_ref() {
                Some(cached) if !cached.left().is_zero() && error.class() != ErrorClass::Auth => {
                    Ok(cached.bearer.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// Fetches a token of the new credentials beside the calls, unless that is under way or has just failed.
    fn rotate(self: &Arc<Self>, wanted: Arc<C1Credentials>) {
        let Ok(mut next) = Arc::clone(&self.fetching).try_lock_owned() else {
            return;
        };
        if next.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let source = Arc::clone(self);
        background(async move {
            *next = match source.fetch(&wanted).await {
                Ok(fetched) => {
                    source.store(wanted, fetched);
                    None
                }
                Err(error) => {
                    let class = error.class().as_str();
                    tracing::warn!(error = %error, error_class = class, "C1 gave no token for the new credentials yet; the session goes on with its old one");
                    Instant::now().checked_add(ROTATE_AGAIN)
                }
            };
        });
    }

    /// The token in the cache, if nobody is fetching another.
    pub(super) fn at_hand(&self) -> Option<Bearer> {
        let _nobody = self.fetching.try_lock().ok()?;
        self.cached().as_ref().map(|cached| cached.bearer.clone())
    }

    /// C1 refused this token: the next call fetches another, unless somebody has done so already.
    pub(super) fn refused(&self, bearer: &Bearer) {
        self.cached().take_if(|cached| cached.bearer.serial == bearer.serial);
    }

    fn store(&self, credentials: Arc<C1Credentials>, (value, expires_at): (HeaderValue, Instant)) -> Bearer {
        let bearer = Bearer {
            value,
            serial: self.serial.fetch_add(1, Ordering::Relaxed),
        };
        *self.cached() = Some(Cached {
            bearer: bearer.clone(),
            expires_at,
            credentials,
        });
        bearer
    }

    async fn fetch(&self, credentials: &C1Credentials) -> Result<(HeaderValue, Instant), TokenError> {
        if !credentials.client_id.same_host(&self.tenant) {
            return Err(TokenError::OtherTenant);
        }
        timeout(self.limit, self.exchange(credentials))
            .await
            .unwrap_or(Err(TokenError::Timeout { limit: self.limit }))
    }

    async fn exchange(&self, credentials: &C1Credentials) -> Result<(HeaderValue, Instant), TokenError> {
        let now = jiff::Timestamp::now().as_second();
        let mut nonce = [0u8; 16];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| TokenError::Build)?;
        let assertion = assertion(credentials, now, &nonce).map_err(|_| TokenError::Build)?;
        let body = form(&[
            ("client_assertion", &assertion),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_id", credentials.client_id.as_str()),
            ("grant_type", "client_credentials"),
        ]);
        let (status, body) = self.send(body).await?;
        if status != StatusCode::OK {
            return Err(TokenError::Status { status });
        }
        let answered = Instant::now();
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| TokenError::Body)?;
        let lifetime = Duration::from_secs(u64::try_from(answer.expires_in).unwrap_or(0));
        let expires_at = answered.checked_add(lifetime).unwrap_or(answered);
        Ok((authorization(&answer)?, expires_at))
    }

    /// One request on a connection of its own, which ends with it.
    async fn send(&self, body: String) -> Result<(StatusCode, Bytes), TokenError> {
        let stream = self.connector.connect().await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let address = self.connector.address();
        let uri = if is_h2 {
            format!("https://{}{PATH}", address.token_authority())
        } else {
            PATH.to_owned()
        };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::USER_AGENT, self.user_agent.clone());
        if !is_h2 {
            request = request.header(header::HOST, address.token_authority());
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| TokenError::Build)?;
        let stream = TokioIo::new(stream);
        if is_h2 {
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
            let (mut sender, connection) = handshake.await.map_err(TokenError::Http)?;
            drive(
                connection.map(drop).boxed(),
                read(sender.send_request(request).boxed()).boxed(),
            )
            .await
        } else {
            let handshake = hyper::client::conn::http1::handshake(stream);
            let (mut sender, connection) = handshake.await.map_err(TokenError::Http)?;
            drive(
                connection.map(drop).boxed(),
                read(sender.send_request(request).boxed()).boxed(),
            )
            .await
        }
    }
}

/// Runs the connection until the exchange on it has ended.
async fn drive<T>(connection: BoxFuture<'_, ()>, mut exchange: BoxFuture<'_, T>) -> T {
    tokio::select! {
        ended = exchange.as_mut() => ended,
        // What has arrived can still be read.
        () = connection => exchange.await,
    }
}

async fn read(
    answer: BoxFuture<'_, Result<Response<Incoming>, hyper::Error>>,
) -> Result<(StatusCode, Bytes), TokenError> {
    let answer = timeout(HEADERS_LIMIT, answer).await;
    let answer = answer.map_err(|_| TokenError::Timeout { limit: HEADERS_LIMIT })?;
    let (parts, body) = answer.map_err(TokenError::Http)?.into_parts();
    if parts.status != StatusCode::OK {
        return Ok((parts.status, Bytes::new()));
    }
    let body = Limited::new(body, MAX_BODY_BYTES)
        .collect()
        .await
        .map_err(|_| TokenError::Body)?;
    Ok((parts.status, body.to_bytes()))
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    expires_in: i64,
}

/// `<Type> <token>` (c1-protocol.md §3.5).
fn authorization(answer: &TokenAnswer) -> Result<HeaderValue, TokenError> {
    if answer.access_token.is_empty() {
        return Err(TokenError::Empty);
    }
    let kind = answer.token_type.as_str();
    let kind = match kind.to_ascii_lowercase().as_str() {
        "" | "bearer" => "Bearer",
        "mac" => "MAC",
        "basic" => "Basic",
        _ => kind,
    };
    let text = zeroize::Zeroizing::new(format!("{kind} {}", answer.access_token));
    let mut value = HeaderValue::try_from(text.as_str()).map_err(|_| TokenError::Body)?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a form leaves as it is, besides letters and digits.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b' ');

/// Standard form encoding; the keys are given in their order.
fn form(pairs: &[(&str, &str)]) -> String {
    let encoded = |(name, value): &(&str, &str)| {
        let value = utf8_percent_encode(value, FORM).to_string();
        format!("{name}={}", value.replace(' ', "+"))
    };
    pairs.iter().map(encoded).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_type_is_normalised_and_others_are_kept() {
        for (kind, wanted) in [
            ("", "Bearer t"),
            ("bearer", "Bearer t"),
            ("BEARER", "Bearer t"),
            ("mac", "MAC t"),
            ("BASIC", "Basic t"),
            ("DPoP", "DPoP t"),
        ] {
            let answer = TokenAnswer {
                access_token: "t".to_owned(),
                token_type: kind.to_owned(),
                expires_in: 0,
            };
            let value = authorization(&answer).unwrap();
            assert_eq!(value.to_str().unwrap(), wanted);
            assert!(value.is_sensitive());
        }
    }

    #[test]
    fn form_values_are_escaped() {
        assert_eq!(form(&[("a", "x y/é"), ("b", "-_.~")]), "a=x+y%2F%C3%A9&b=-_.~");
    }

    #[test]
    fn only_a_refusal_of_the_credentials_ends_the_start() {
        for (status, fatal) in [
            (400, true),
            (401, true),
            (403, true),
            (404, false),
            (429, false),
            (500, false),
        ] {
            let error = TokenError::Status {
                status: StatusCode::from_u16(status).unwrap(),
            };
            assert_eq!(error.class() == ErrorClass::Auth, fatal, "{status}");
        }
        let error = TokenError::Status {
            status: StatusCode::UNAUTHORIZED,
        };
        assert_eq!(error.to_string(), "failed to get token: 401 Unauthorized");
    }
}
