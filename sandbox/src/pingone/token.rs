//! The token endpoint (pingone-api.md §2.1 to §2.3, points 1 to 6) and the tokens it gave out. A token is opaque to
//! every reader but this module, however much it looks like a JWT.

use super::answer::{Answer, Refusal};
use super::assertion::{self, Assertion};
use super::ids::{draw, hash_text};
use super::options::{AuthMethod, Options};
use super::world::{Application, World};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// Tokens given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    given: Mutex<HashMap<String, Token>>,
    /// Assertions that were taken, by application and `jti`
    used: Mutex<HashSet<(usize, String)>>,
    number: AtomicU64,
}

/// Whose token it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// Number of the application
    pub(crate) worker: usize,
    expires: Instant,
    /// Number of the secret that it was made with
    pub(crate) secret: u64,
    /// Tells tokens apart
    pub(crate) key: u64,
}

/// What a token request brings.
pub(crate) struct Asked<'a> {
    /// Path of the request
    pub(crate) path: &'a str,
    /// `Host` without port
    pub(crate) host: &'a str,
    /// `Host` as it came
    pub(crate) authority: &'a str,
    pub(crate) media: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

impl Tokens {
    /// The token of an `Authorization` header; `None` if it was not given out or has expired (point 4).
    pub(crate) fn known(&self, header: Option<&str>) -> Option<Token> {
        let text = header?.strip_prefix("Bearer ")?;
        let given = self.given.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        given.get(text).copied().filter(|token| Instant::now() < token.expires)
    }

    /// Ends every token given out so far.
    pub(crate) fn expire_all(&self) {
        self.given
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clear();
    }

    /// Ends the tokens of an application that were made with an older secret than this.
    pub(crate) fn end_older(&self, worker: usize, secret: u64) {
        self.given
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .retain(|_, token| token.worker != worker || token.secret >= secret);
    }

    /// Answers a token request; the platform's 404 for an environment that is not here (pingone-api.md §2.3, G).
    pub(crate) fn answer(&self, world: &World, asked: &Asked<'_>) -> Result<Answer, Refusal> {
        let environment = environment_of(&world.options, asked)?;
        let environment = environment.unwrap_or(world.environment);
        if environment != world.environment && environment != world.other_environment {
            return Err(Refusal::missing());
        }
        if asked.media != "application/x-www-form-urlencoded" {
            return Ok(oauth(
                400,
                "invalid_request",
                "Request denied: Unsupported content type",
            ));
        }
        Ok(self.grant(world, environment, asked).unwrap_or_else(|refused| refused))
    }

    fn grant(&self, world: &World, environment: Uuid, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let form = form(asked.body).ok_or_else(|| oauth(400, "invalid_request", "Request denied: Malformed body"))?;
        let field = |name: &str| {
            form.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        match field("grant_type") {
            Some("client_credentials") => {}
            Some(_) => {
                return Err(oauth(
                    400,
                    "unsupported_grant_type",
                    "Request denied: Unsupported grant type",
                ));
            }
            None => return Err(oauth(400, "invalid_request", "Request denied: Missing grant type")),
        }
        let (worker, secret) = match field("client_assertion") {
            Some(text) => self.asserted(world, environment, asked, &form, text)?,
            None => by_secret(world, environment, asked, &field)?,
        };
        if field("scope").is_some_and(|scope| !scope.is_empty()) {
            return Err(oauth(
                400,
                "invalid_scope",
                "May not request scopes for multiple resources",
            ));
        }
        Ok(self.issue(world, worker, secret, environment))
    }

    /// The application and the number of the key that signed its assertion (pingone-api.md §2.5).
    fn asserted(
        &self,
        world: &World,
        environment: Uuid,
        asked: &Asked<'_>,
        form: &[(String, String)],
        text: &str,
    ) -> Result<(usize, u64), Answer> {
        let refused = |text: &str| oauth(401, "invalid_client", &format!("Request denied: {text}"));
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        if field("client_assertion_type").is_none_or(|kind| kind != assertion::TYPE) {
            return Err(refused("Unsupported client assertion type"));
        }
        if asked.authorization.is_some() || field("client_secret").is_some() {
            return Err(twice(world));
        }
        let asserted = Assertion::parse(text).ok_or_else(|| refused("Malformed client assertion"))?;
        let id = asserted.claims.sub.as_str();
        // It may stand beside the assertion and must then be the same.
        if field("client_id").is_some_and(|beside| beside != id) {
            return Err(refused("Invalid client credentials"));
        }
        let endpoint = format!("http://{}{}", asked.authority, asked.path);
        let issuer = endpoint.trim_end_matches("/token").to_owned();
        if let Some(fault) = asserted.fault(&[endpoint, issuer], world.clock.unix_ms() / 1000) {
            return Err(refused(fault));
        }
        let number = application(world, environment, AuthMethod::PrivateKeyJwt, id)?;
        let found = world.applications.get(number).filter(|found| found.enabled);
        let signer = found.and_then(|found| asserted.signer(found));
        let signer = signer.ok_or_else(|| refused("Invalid client credentials"))?;
        let once = (number, asserted.claims.jti);
        let mut used = self.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !used.insert(once) {
            return Err(refused("Client assertion was used before"));
        }
        Ok((number, signer))
    }

    /// 200 with a new token (pingone-api.md §2.2: members D, claims G).
    fn issue(&self, world: &World, worker: usize, secret: u64, environment: Uuid) -> Answer {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let auth = &world.options.auth;
        let seconds = world.clock.unix_ms() / 1000;
        let id = world.applications.get(worker).map(|found| found.id);
        let claims = json!({
            "client_id": id, "iss": format!("https://auth.pingone.eu/{environment}/as"), "jti": draw(world.spec.seed, 0x70c, number).to_string(),
            "aud": ["https://api.pingone.eu"], "iat": seconds, "exp": seconds + i64::try_from(auth.token_seconds).unwrap_or(0),
            "env": environment, "org": world.organization,
        });
        let mut text = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"default"}"#);
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
        text.push('.');
        let signature = auth.token_bytes.saturating_sub(text.len()).max(8);
        let bytes: Vec<u8> = (0..signature * 3 / 4)
            .map(|at| draw(number, 0x516, at as u64).to_be_bytes()[0])
            .collect();
        text.push_str(&URL_SAFE_NO_PAD.encode(bytes));
        let expires = Instant::now() + Duration::from_secs(auth.token_seconds);
        let token = Token {
            worker,
            expires,
            secret,
            key: hash_text(&text),
        };
        self.given
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(text.clone(), token);
        let mut body = json!({"access_token": text, "token_type": "Bearer", "expires_in": auth.token_seconds});
        if let (true, Value::Object(body)) = (auth.empty_scope, &mut body) {
            body.insert("scope".to_owned(), json!(""));
        }
        Answer::typed(200, "application/json", body.to_string())
    }
}

/// The application and the number of its secret, from the header or the body.
fn by_secret<'a>(
    world: &World,
    environment: Uuid,
    asked: &Asked<'_>,
    field: &impl Fn(&str) -> Option<&'a str>,
) -> Result<(usize, u64), Answer> {
    let in_body = field("client_id").zip(field("client_secret"));
    let mentioned = field("client_id").is_some() || field("client_secret").is_some();
    let header = asked
        .authorization
        .map(|header| basic(header, world.options.auth.basic_percent_decoding));
    let (method, id, secret) = match (header, in_body) {
        (Some(_), _) if mentioned => return Err(twice(world)),
        (Some(Some((id, secret))), _) => (AuthMethod::Basic, id, secret),
        (Some(None), _) => return Err(oauth(401, "invalid_client", "Request denied: Malformed credentials")),
        (None, Some((id, secret))) => (AuthMethod::Post, id.to_owned(), secret.to_owned()),
        (None, None) => return Err(oauth(401, "invalid_client", "Request denied: Missing credentials")),
    };
    client(world, environment, method, &id, &secret)
}

/// The environment in the path: `/{env}/as/token`, or none for `/as/token` on the custom domain (point 6, D).
fn environment_of(options: &Options, asked: &Asked<'_>) -> Result<Option<Uuid>, Refusal> {
    if asked.path == "/as/token" {
        let custom = options
            .auth
            .custom_domain
            .as_deref()
            .is_some_and(|host| host.eq_ignore_ascii_case(asked.host));
        return if custom { Ok(None) } else { Err(Refusal::missing()) };
    }
    let id = asked
        .path
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix("/as/token"));
    let id = id.and_then(|id| Uuid::try_parse(id).ok());
    id.map(Some).ok_or_else(Refusal::missing)
}

/// The application and the number of its secret, if credentials, method and state fit (point 2 and 3; other causes than
/// the method G).
fn client(
    world: &World,
    environment: Uuid,
    method: AuthMethod,
    id: &str,
    secret: &str,
) -> Result<(usize, u64), Answer> {
    let number = application(world, environment, method, id)?;
    let found = world.applications.get(number).filter(|found| found.enabled);
    match found.and_then(|found| found.secret_number(secret)) {
        Some(secret) => Ok((number, secret)),
        None => Err(oauth(
            401,
            "invalid_client",
            "Request denied: Invalid client credentials",
        )),
    }
}

/// The answer to credentials in two places (point 2, G).
fn twice(world: &World) -> Answer {
    let status = world.options.auth.both_credentials_status;
    let error = if status == 401 {
        "invalid_client"
    } else {
        "invalid_request"
    };
    oauth(status, error, "Request denied: More than one authentication method")
}

/// The application of this id, if it authenticates in this way.
fn application(world: &World, environment: Uuid, method: AuthMethod, id: &str) -> Result<usize, Answer> {
    let refused = |text: &str| oauth(401, "invalid_client", text);
    let here = |found: &Application| found.environment == environment && found.id.to_string() == id;
    let number = world.applications.iter().position(here);
    let number = number.ok_or_else(|| refused("Request denied: Invalid client credentials"))?;
    match world.applications.get(number) {
        Some(found) if found.method == method => Ok(number),
        _ => Err(refused("Request denied: Unsupported authentication method")),
    }
}

/// An error in the form of RFC 6749 (pingone-api.md §2.3).
fn oauth(status: u16, error: &str, description: &str) -> Answer {
    let correlation = format!("{:016x}", draw(0, hash_text(description), u64::from(status)));
    let body = json!({"error": error, "error_description": format!("{description} (Correlation ID: {correlation})")});
    Answer::typed(status, "application/json", body.to_string())
}

fn basic(header: &str, decode: bool) -> Option<(String, String)> {
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    if !decode {
        return Some((id.to_owned(), secret.to_owned()));
    }
    let decoded = |text: &str| super::paging::percent_decode(text).map(std::borrow::Cow::into_owned);
    Some((decoded(id)?, decoded(secret)?))
}

fn form(body: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let decoded = |text: &str| super::paging::percent_decode(text).map(std::borrow::Cow::into_owned);
        Some((decoded(key)?, decoded(value)?))
    });
    pairs.collect()
}
