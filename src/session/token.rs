//! `OAuth2` client credentials with a signed assertion (c1-protocol.md §3). One fetch at a time, cached until shortly
//! before it expires, dropped when C1 refuses it. Assertion and token never leave this file but in a request.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::connect::{ConnectError, Connector};
use super::key::C1Credentials;
use crate::error::ErrorClass;
use crate::runtime::spawn::detached;

const PATH: &str = "/auth/v1/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// A token is not used in its last seconds.
const EARLY: Duration = Duration::from_secs(10);
const HEADERS_LIMIT: Duration = Duration::from_mins(1);
const MAX_BODY_BYTES: usize = 64 * 1024;

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
}

struct State {
    credentials: Arc<C1Credentials>,
    cached: Option<Cached>,
    serial: u64,
}

impl State {
    /// The token in the cache, unless its end is near.
    fn good(&self) -> Option<Bearer> {
        let cached = self.cached.as_ref()?;
        let left = cached.expires_at.saturating_duration_since(Instant::now());
        (left > EARLY).then(|| cached.bearer.clone())
    }
}

pub(super) struct TokenSource {
    connector: Connector,
    /// Limit of one fetch, `http-timeout-seconds`.
    limit: Duration,
    user_agent: HeaderValue,
    /// Held over the fetch: whoever asks meanwhile waits for the one request that is under way.
    state: Mutex<State>,
}

impl TokenSource {
    pub(super) fn new(
        connector: Connector,
        credentials: C1Credentials,
        limit: Duration,
        user_agent: HeaderValue,
    ) -> Self {
        Self {
            connector,
            limit,
            user_agent,
            state: Mutex::new(State {
                credentials: Arc::new(credentials),
                cached: None,
                serial: 0,
            }),
        }
    }

    /// A token that is good now. A request for one goes on when the caller stops waiting, so that a slow endpoint is not
    /// asked again and again.
    pub(super) async fn bearer(self: &Arc<Self>) -> Result<Bearer, TokenError> {
        if let Ok(state) = self.state.try_lock()
            && let Some(bearer) = state.good()
        {
            return Ok(bearer);
        }
        let source = Arc::clone(self);
        detached(async move { source.cached_or_fetched().await }).await
    }

    async fn cached_or_fetched(&self) -> Result<Bearer, TokenError> {
        let mut state = self.state.lock().await;
        if let Some(bearer) = state.good() {
            return Ok(bearer);
        }
        match self.fetch(&state.credentials).await {
            Ok(fetched) => Ok(store(&mut state, fetched)),
            // In its last seconds the old one is better than none.
            Err(error) => match &state.cached {
                Some(cached) if cached.expires_at > Instant::now() && error.class() != ErrorClass::Auth => {
                    Ok(cached.bearer.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// The token in the cache, if nobody is fetching another.
    pub(super) fn at_hand(&self) -> Option<Bearer> {
        let state = self.state.try_lock().ok()?;
        state.cached.as_ref().map(|cached| cached.bearer.clone())
    }

    /// C1 refused this token: the next call fetches another, unless somebody has done so already.
    pub(super) async fn refused(&self, bearer: &Bearer) {
        let mut state = self.state.lock().await;
        if state
            .cached
            .as_ref()
            .is_some_and(|cached| cached.bearer.serial == bearer.serial)
        {
            state.cached = None;
        }
    }

    /// Proves other credentials with a token request and then uses them; after a failure the old ones stay.
    pub(super) async fn replace(&self, credentials: C1Credentials) -> Result<(), TokenError> {
        let fetched = self.fetch(&credentials).await?;
        let mut state = self.state.lock().await;
        state.credentials = Arc::new(credentials);
        store(&mut state, fetched);
        Ok(())
    }

    async fn fetch(&self, credentials: &C1Credentials) -> Result<(HeaderValue, Instant), TokenError> {
        timeout(self.limit, self.exchange(credentials))
            .await
            .unwrap_or(Err(TokenError::Timeout { limit: self.limit }))
    }

    async fn exchange(&self, credentials: &C1Credentials) -> Result<(HeaderValue, Instant), TokenError> {
        let now = jiff::Timestamp::now().as_second();
        let mut nonce = [0u8; 16];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| TokenError::Build)?;
        let assertion = assertion(credentials, now, &nonce)?;
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

fn store(state: &mut State, (value, expires_at): (HeaderValue, Instant)) -> Bearer {
    state.serial = state.serial.wrapping_add(1);
    let bearer = Bearer {
        value,
        serial: state.serial,
    };
    state.cached = Some(Cached {
        bearer: bearer.clone(),
        expires_at,
    });
    bearer
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

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    nonce: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    nbf: i64,
    iat: i64,
}

/// The assertion (c1-protocol.md §3.1): members in this order and no others.
fn assertion(credentials: &C1Credentials, now: i64, nonce: &[u8; 16]) -> Result<String, TokenError> {
    let header = Header {
        alg: "EdDSA",
        kid: credentials.key.kid(),
        nonce: nonce
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(hex_digit)
            .collect(),
    };
    let client_id = &credentials.client_id;
    let claims = Claims {
        iss: client_id.as_str(),
        sub: client_id.as_str(),
        aud: client_id.audience(),
        exp: now.saturating_add(120),
        nbf: now.saturating_sub(120),
        iat: now,
    };
    let header = serde_json::to_vec(&header).map_err(|_| TokenError::Build)?;
    let claims = serde_json::to_vec(&claims).map_err(|_| TokenError::Build)?;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = credentials.key.sign(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Standard form encoding; the keys are given in their order.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
                b' ' => text.push('+'),
                _ => {
                    text.push('%');
                    text.extend([byte >> 4, byte & 15].map(|digit| hex_digit(digit).to_ascii_uppercase()));
                }
            }
        }
    }
    text
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::key::SigningKey;

    fn credentials(kid: Option<&str>) -> C1Credentials {
        let mut seed = [0u8; 32];
        for (byte, value) in seed.iter_mut().zip(0..) {
            *byte = value;
        }
        C1Credentials {
            client_id: "blue-fox-12345@acme.conductor.one/baton".parse().unwrap(),
            key: SigningKey::from_seed(&seed, kid.map(str::to_owned)).unwrap(),
        }
    }

    fn nonce() -> [u8; 16] {
        let mut nonce = [0u8; 16];
        for (byte, value) in nonce.iter_mut().zip(0..) {
            *byte = value;
        }
        nonce
    }

    #[test]
    fn the_assertion_is_the_vector_of_the_contract_byte_for_byte() {
        let made = assertion(&credentials(None), 1_700_000_000, &nonce()).unwrap();
        assert_eq!(
            made,
            "eyJhbGciOiJFZERTQSIsIm5vbmNlIjoiMDAwMTAyMDMwNDA1MDYwNzA4MDkwYTBiMGMwZDBlMGYifQ.eyJpc3MiOiJibHVlLWZveC0xMjM0NUBhY21lLmNvbmR1Y3Rvci5vbmUvYmF0b24iLCJzdWIiOiJibHVlLWZveC0xMjM0NUBhY21lLmNvbmR1Y3Rvci5vbmUvYmF0b24iLCJhdWQiOiJhY21lLmNvbmR1Y3Rvci5vbmUiLCJleHAiOjE3MDAwMDAxMjAsIm5iZiI6MTY5OTk5OTg4MCwiaWF0IjoxNzAwMDAwMDAwfQ.6O6_Xnz_dbaZIaPI233DwlP0hEL5_COYd5zZ1h_OjxDF5mM94SvQzfnvSoubQh6EKSUY-L4lJmFxWmKbEi5IAg"
        );
    }

    #[test]
    fn a_kid_goes_between_alg_and_nonce() {
        let made = assertion(&credentials(Some("k1")), 0, &nonce()).unwrap();
        let header = URL_SAFE_NO_PAD.decode(made.split('.').next().unwrap()).unwrap();
        let header = String::from_utf8(header).unwrap();
        assert!(
            header.starts_with(r#"{"alg":"EdDSA","kid":"k1","nonce":"0001"#),
            "{header}"
        );
    }

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
