//! Routes, and the accept loop with its limits: bounded connections, 10 s for the head of a request, ended by the
//! token.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, put};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::reply::{details, health, json_line, not_found};
use super::{AdminState, Unhealthy, VALIDATE_LIMIT};
use crate::telemetry::LogLevel;

/// How long a client may take for a request's head (c1-protocol.md §14).
const HEADER_LIMIT: Duration = Duration::from_secs(10);
const MAX_CONNECTIONS: usize = 64;
const MAX_BODY_BYTES: usize = 64;
/// How long open requests may run on at shutdown.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Serves until the token is cancelled.
pub async fn serve(listener: TcpListener, state: AdminState, token: CancellationToken) {
    let routes = router(state);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = token.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: wait for some to come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            continue;
        };
        let service = TowerToHyperService::new(routes.clone());
        let token = token.clone();
        connections.spawn(async move {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT);
            let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                ended = connection.as_mut() => drop(ended),
                () = token.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    drop(timeout(DRAIN_LIMIT, connection).await);
                }
            }
            drop(slot);
        });
    }
    while connections.join_next().await.is_some() {}
}

pub(super) fn router(state: AdminState) -> Router {
    Router::new()
        .route("/", get(status))
        .route("/livez", any(livez))
        .route("/readyz", any(readyz))
        .route("/ready", any(readyz))
        .route("/health", any(healthy))
        .route("/live", any(live))
        .route("/metrics", get(metrics))
        .route("/log-level", put(log_level))
        .fallback(async || not_found())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(state)
}

async fn livez(State(state): State<AdminState>) -> Response {
    let loops = state.liveness.states();
    let late = loops.iter().any(|one| one.late_by.is_some());
    let body: Map<String, Value> = loops
        .into_iter()
        .map(|one| {
            let value = match one.late_by {
                None => "ok".to_owned(),
                Some(late_by) => format!("late by {} s", late_by.as_secs()),
            };
            (one.name.to_owned(), value.into())
        })
        .collect();
    if late {
        health(StatusCode::SERVICE_UNAVAILABLE, "wedged", body)
    } else {
        health(StatusCode::OK, "alive", body)
    }
}

async fn live() -> Response {
    health(StatusCode::OK, "alive", Map::new())
}

/// The word of c1-protocol.md §14 for a connector that is not there yet.
const NO_CLIENT: &str = "failed to get connector client";

async fn readyz(State(state): State<AdminState>) -> Response {
    let unmet = state.readiness.unmet();
    if unmet.is_empty() {
        return health(StatusCode::OK, "ready", Map::new());
    }
    let mut body = details([("error", NO_CLIENT.to_owned())]);
    body.extend(
        unmet
            .into_iter()
            .map(|(condition, reason)| (condition.to_owned(), reason.into())),
    );
    health(StatusCode::SERVICE_UNAVAILABLE, "not_ready", body)
}

async fn healthy(State(state): State<AdminState>) -> Response {
    let failure = match timeout(VALIDATE_LIMIT, (state.validate)()).await {
        Ok(Ok(())) => return health(StatusCode::OK, "healthy", Map::new()),
        Ok(Err(failure)) => failure,
        Err(_) => Unhealthy::Invalid(format!("validation took longer than {} s", VALIDATE_LIMIT.as_secs())),
    };
    let details = match failure {
        Unhealthy::NoClient => details([("error", NO_CLIENT.to_owned())]),
        Unhealthy::Invalid(why) => details([
            ("error", "connector validation failed".to_owned()),
            ("validation_error", why),
        ]),
    };
    health(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", details)
}

async fn metrics(State(state): State<AdminState>) -> Response {
    match state.metrics.render() {
        Ok(text) => (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn log_level(State(state): State<AdminState>, body: Bytes) -> Response {
    let asked = std::str::from_utf8(&body).unwrap_or_default().trim();
    let changed = asked
        .parse::<LogLevel>()
        .and_then(|level| state.log.set_level(level).map(|()| level));
    match changed {
        Ok(level) => {
            tracing::info!(level = level.as_str(), "log level changed");
            json_line(StatusCode::OK, &json!({"level": level.as_str()}))
        }
        Err(error) => json_line(StatusCode::BAD_REQUEST, &json!({"error": error.to_string()})),
    }
}

async fn status(State(state): State<AdminState>) -> Response {
    let build = state.build;
    let unmet = state.readiness.unmet();
    let ready = if unmet.is_empty() { "yes" } else { "no" };
    let mut rows = vec![("ready".to_owned(), ready.to_owned())];
    rows.extend(
        unmet
            .into_iter()
            .map(|(condition, reason)| (format!("  {condition}"), reason)),
    );
    for one in state.liveness.states() {
        let late = |late: Duration| format!("late by {} s", late.as_secs());
        rows.push((
            format!("loop {}", one.name),
            one.late_by.map_or_else(|| "ok".to_owned(), late),
        ));
    }
    rows.extend((state.facts)());
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| format!("{name:<24} {value}\n"))
        .collect();
    let text = format!(
        "baton-ping-one {} (revision {}, rust {})\n\n{}\n\
         /livez /readyz /health /ready /live /metrics, PUT /log-level\n",
        build.version,
        build.revision,
        build.rustc,
        rows.concat()
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

#[cfg(test)]
mod tests;
