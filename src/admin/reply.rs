//! The bodies of c1-protocol.md §14.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// A health body: `status`, `timestamp` and, unless empty, `details`; it ends with a newline.
pub(super) fn health(code: StatusCode, status: &str, details: Map<String, Value>) -> Response {
    let mut body = Map::new();
    body.insert("status".to_owned(), status.into());
    body.insert("timestamp".to_owned(), now().into());
    if !details.is_empty() {
        body.insert("details".to_owned(), details.into());
    }
    json_line(code, &body.into())
}

pub(super) fn json_line(code: StatusCode, body: &Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

pub(super) fn details<const N: usize>(pairs: [(&str, String); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

pub(super) fn not_found() -> Response {
    json_line(StatusCode::NOT_FOUND, &json!({"error": "not found"}))
}

pub(super) fn forbidden() -> Response {
    let text = "the log level may be changed from the same host only, for example through kubectl port-forward";
    json_line(StatusCode::FORBIDDEN, &json!({"error": text}))
}

/// UTC with whole seconds.
fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
