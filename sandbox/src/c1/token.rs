//! The token endpoint (c1-protocol.md §3.6).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router, routing};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::listener::Connection;
use super::log::{Received, TokenRequest};
use super::script::TokenStep;
use super::state::State;

/// The endpoint's path (c1-protocol.md §2.3).
pub(super) const PATH: &str = "/auth/v1/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SKEW_SECONDS: i64 = 60;

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new().route(PATH, routing::post(token)).with_state(state)
}

async fn token(
    Shared(state): Shared<Arc<State>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut request = TokenRequest {
        form: form(&body),
        header: String::new(),
        claims: String::new(),
        user_agent: text(&headers, header::USER_AGENT),
        status: 0,
    };
    let step = state.lock().token_steps.pop_front();
    let checked = check(&state, &headers, &mut request);
    let (status, body) = match (checked, &step) {
        (Err(reason), _) => {
            if let Refused::Broken(reason) = reason {
                state.violation(format!("Token: {reason}"));
            }
            (401, "{\"error\":\"invalid_client\"}".to_owned())
        }
        (Ok(_), Some(TokenStep::Status(status))) => (*status, String::new()),
        (Ok(_), Some(TokenStep::Body(body))) => (200, body.clone()),
        (Ok(key), step) => {
            let lifetime = match step {
                Some(TokenStep::Lifetime(lifetime)) => *lifetime,
                _ => state.options.token_lifetime,
            };
            let token = state.issue_token(lifetime, key);
            (
                200,
                format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{lifetime}}}"#),
            )
        }
    };
    request.status = status;
    state.record(
        connection.id,
        &std::collections::BTreeMap::new(),
        Received::Token(request),
    );
    match step {
        Some(TokenStep::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(TokenStep::Hang) => tokio::time::sleep(Duration::from_hours(24)).await,
        _ => {}
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    text.split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Why there is no token.
enum Refused {
    /// A rule of the protocol was broken.
    Broken(String),
    /// Everything in its place, but signed with a key that is not this connector's.
    Stranger,
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

/// The key that the assertion is signed with, if all is well.
fn check(state: &State, headers: &HeaderMap, request: &mut TokenRequest) -> Result<Vec<u8>, Refused> {
    if text(headers, header::CONTENT_TYPE) != "application/x-www-form-urlencoded" {
        return Err("content type".to_owned().into());
    }
    if request.user_agent.is_empty() || headers.contains_key("dpop") {
        return Err("headers".to_owned().into());
    }
    let names: Vec<_> = request.form.iter().map(|(name, _)| name.as_str()).collect();
    if names != ["client_assertion", "client_assertion_type", "client_id", "grant_type"] {
        return Err(format!("form fields {names:?}").into());
    }
    let value = |name: &str| {
        request
            .form
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    let identity = &state.options.identity;
    for (name, wanted) in [
        ("client_assertion_type", ASSERTION_TYPE),
        ("grant_type", "client_credentials"),
        ("client_id", identity.client_id.as_str()),
    ] {
        if value(name).as_deref() != Some(wanted) {
            return Err(name.to_owned().into());
        }
    }
    let assertion = value("client_assertion").unwrap_or_default();
    let ([header, claims], key) = verified(&assertion, &state.keys())?;
    request.header.clone_from(&header);
    request.claims.clone_from(&claims);
    check_header(state, &header)?;
    check_claims(&claims, &identity.client_id, identity.audience())?;
    key.ok_or(Refused::Stranger)
}

/// Header and claims of the assertion, and which of the keys it is signed with.
fn verified(assertion: &str, keys: &[Vec<u8>]) -> Result<([String; 2], Option<Vec<u8>>), String> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or("assertion is no JWS")?;
    let (header, claims) = signed.split_once('.').ok_or("assertion is no JWS")?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| "base64".to_owned());
    let signature = decode(signature)?;
    let fits = |key: &&Vec<u8>| {
        let key = UnparsedPublicKey::new(&ED25519, key.as_slice());
        key.verify(signed.as_bytes(), &signature).is_ok()
    };
    let utf8 = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned());
    let parts = [utf8(decode(header)?)?, utf8(decode(claims)?)?];
    Ok((parts, keys.iter().find(fits).cloned()))
}

/// Members in their order and no others; a nonce that was not used before.
fn check_header(state: &State, text: &str) -> Result<(), String> {
    let header: Value = serde_json::from_str(text).map_err(|_| "header is no JSON")?;
    let nonce = header
        .get("nonce")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let kid = header
        .get("kid")
        .map_or_else(String::new, |kid| format!("\"kid\":{kid},"));
    if text != format!("{{\"alg\":\"EdDSA\",{kid}\"nonce\":\"{nonce}\"}}") {
        return Err(format!("assertion header {text}"));
    }
    if nonce.len() != 32 || !nonce.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("nonce".to_owned());
    }
    if !state.lock().nonces.insert(nonce) {
        return Err("the nonce was used before".to_owned());
    }
    Ok(())
}

fn check_claims(text: &str, client_id: &str, audience: &str) -> Result<(), String> {
    let claims: Value = serde_json::from_str(text).map_err(|_| "claims are no JSON")?;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64).ok_or_else(|| name.to_owned());
    let (exp, nbf, iat) = (number("exp")?, number("nbf")?, number("iat")?);
    let wanted = format!(
        "{{\"iss\":\"{client_id}\",\"sub\":\"{client_id}\",\"aud\":\"{audience}\",\"exp\":{exp},\"nbf\":{nbf},\"iat\":{iat}}}"
    );
    if text != wanted {
        return Err(format!("claims are {text}, wanted {wanted}"));
    }
    let now = jiff::Timestamp::now().as_second();
    let skew = now.abs_diff(iat);
    if exp.checked_sub(iat) != Some(120) || iat.checked_sub(nbf) != Some(120) || skew > SKEW_SECONDS.unsigned_abs() {
        return Err("times of the claims".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::options::{Identity, Options};
    use super::*;
    use aws_lc_rs::signature::Ed25519KeyPair;

    const CLIENT: &str = "tests@acme.example/baton";

    fn signed(seed: [u8; 32]) -> String {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode("{}"));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    #[test]
    fn an_old_key_is_good_until_it_is_retired_and_its_tokens_with_it() {
        let first = Identity::from_seed(CLIENT, [1; 32]).unwrap();
        let second = Identity::from_seed(CLIENT, [2; 32]).unwrap();
        let state = State::new(Options::new(first.clone(), std::path::PathBuf::new()));
        let key = |seed| verified(&signed(seed), &state.keys()).unwrap().1;
        assert_eq!(key([1; 32]), Some(first.public_key.clone()));
        assert_eq!(key([2; 32]), None);
        state.add_key(second.public_key.clone());
        let tokens = [[1; 32], [2; 32]].map(|seed| state.issue_token(3600, key(seed).unwrap()));
        state.retire_keys();
        assert_eq!(key([1; 32]), None);
        assert_eq!(key([2; 32]), Some(second.public_key));
        let live = tokens.map(|token| state.lock().tokens.contains_key(&token));
        assert_eq!(live, [false, true]);
    }
}
