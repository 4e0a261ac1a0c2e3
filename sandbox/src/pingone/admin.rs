//! The sandbox's own paths on the API listener: `GET /sandbox/requests`, `POST /sandbox/requests/reset`, `GET /sandbox/state`
//! (with `?full=true` every row of the true state as JSON lines), `GET` and `POST /sandbox/faults`, `POST /sandbox/changes`,
//! `POST /sandbox/sign-ons`, `POST /sandbox/tokens/expire`, `POST /sandbox/secret` and
//! `POST /sandbox/secret/retire`.

use super::answer::Answer;
use super::body::AnswerBody;
use super::changes::Changes;
use super::faults::Fault;
use super::http::Shared;
use super::state;
use http::{HeaderValue, Method, Response, StatusCode, header};
use std::sync::Arc;

/// Body of `POST /sandbox/secret`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Replace {
    #[serde(default)]
    keep_old: bool,
}

/// Body of `POST /sandbox/sign-ons`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SignOns {
    count: u32,
}

/// Answers a call to the sandbox itself.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Response<AnswerBody> {
    let get = *method == Method::GET;
    let answer = match path {
        "/sandbox/requests" if get => match serde_json::to_value(shared.ledger.read()) {
            Ok(mut counted) => {
                if let Some(counted) = counted.as_object_mut() {
                    counted.insert("secret".to_owned(), shared.secret_number().into());
                }
                Answer::json(200, &counted)
            }
            Err(error) => failed(&error),
        },
        "/sandbox/requests/reset" if !get => {
            shared.ledger.reset();
            Answer::empty(204)
        }
        "/sandbox/state" if get && query.split('&').any(|part| part == "full=true") => {
            let lines = AnswerBody::Lines(Box::new(state::lines(Arc::clone(shared))));
            return response(200, lines, "application/x-ndjson");
        }
        "/sandbox/state" if get => serde_json::to_value(state::sizes(&shared.read_world()))
            .map_or_else(|error| failed(&error), |v| Answer::json(200, &v)),
        "/sandbox/faults" if get => shared
            .faults
            .told()
            .map_or_else(|error| failed(&error), |faults| Answer::json(200, &faults)),
        "/sandbox/faults" if !get => asked(body, |faults: Vec<Fault>| {
            shared.faults.set(faults);
            Answer::empty(204)
        }),
        "/sandbox/changes" if !get => asked(body, |changes: Changes| {
            let made = shared.write_world().change(&changes);
            Answer::json(200, &serde_json::json!({"changes": made}))
        }),
        "/sandbox/sign-ons" if !get => asked(body, |asked: SignOns| {
            shared.write_world().sign_ons(asked.count);
            Answer::empty(204)
        }),
        "/sandbox/tokens/expire" if !get => {
            shared.tokens.expire_all();
            Answer::empty(204)
        }
        "/sandbox/secret" if !get => asked(body, |replace: Replace| {
            let secret = shared.replace_secret(replace.keep_old);
            Answer::json(200, &serde_json::json!({"client_secret": secret}))
        }),
        "/sandbox/secret/retire" if !get => {
            shared.retire_secrets();
            Answer::empty(204)
        }
        _ => Answer::typed(404, "text/plain", "the sandbox has no such path"),
    };
    let kind = answer
        .content_type
        .clone()
        .unwrap_or_else(|| "application/json".to_owned());
    response(answer.status, AnswerBody::Whole(Some(answer.body)), &kind)
}

/// Reads a body and answers, or says what is wrong with it.
fn asked<T: serde::de::DeserializeOwned>(body: &[u8], answer: impl FnOnce(T) -> Answer) -> Answer {
    match serde_json::from_slice(body) {
        Ok(read) => answer(read),
        Err(error) => Answer::typed(400, "text/plain", error.to_string()),
    }
}

fn failed(error: &serde_json::Error) -> Answer {
    Answer::typed(500, "text/plain", error.to_string())
}

fn response(status: u16, body: AnswerBody, kind: &str) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}
