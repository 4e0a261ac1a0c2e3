//! Routes, and the accept loop with its limits: bounded connections, 10 s for the head of a request, a limit for each
//! connection, ended by the token. A new connection always finds room: where there is none the oldest one goes, so that
//! clients that are idle or do not read keep no probe out.

use std::collections::VecDeque;
use std::net::SocketAddr;
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
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::reply::{details, forbidden, health, json_line, not_found};
use super::{AdminState, Unhealthy, VALIDATE_LIMIT, page};
use process::telemetry::LogLevel;

/// How long a client may take for a request's head (c1-protocol.md §14).
const HEADER_LIMIT: Duration = Duration::from_secs(10);
const MAX_CONNECTIONS: usize = 64;
const MAX_BODY_BYTES: usize = 64;
/// How long a connection may last; the longest request is a validation.
const CONNECTION_LIMIT: Duration = Duration::from_secs(45);
/// How long open requests may run on at shutdown, or when their connection's time is up.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Serves until the token is cancelled.
pub async fn serve(listener: TcpListener, state: AdminState, token: CancellationToken) {
    let routes = Routes::new(state);
    let mut connections = JoinSet::new();
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = token.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors, most likely: wait for some to come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        open.retain(|one| !one.is_finished());
        if open.len() >= MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let service = TowerToHyperService::new(routes.of(peer).clone());
        let token = token.clone();
        open.push_back(connections.spawn(async move {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_LIMIT);
            let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                ended = connection.as_mut() => drop(ended),
                _ = timeout(CONNECTION_LIMIT, token.cancelled()) => {
                    connection.as_mut().graceful_shutdown();
                    drop(timeout(DRAIN_LIMIT, connection).await);
                }
            }
        }));
    }
    while connections.join_next().await.is_some() {}
}

/// The level may be changed from this machine only: whoever can reach the port may look, and no more.
struct Routes {
    local: Router,
    remote: Router,
}

impl Routes {
    fn new(state: AdminState) -> Self {
        Self {
            local: router(state.clone(), true),
            remote: router(state, false),
        }
    }

    fn of(&self, peer: SocketAddr) -> &Router {
        if peer.ip().to_canonical().is_loopback() {
            &self.local
        } else {
            &self.remote
        }
    }
}

fn router(state: AdminState, is_local: bool) -> Router {
    let level = if is_local {
        put(log_level)
    } else {
        put(async || forbidden())
    };
    Router::new()
        .route("/", get(status))
        .route("/status.json", get(status_json))
        .route("/livez", any(livez))
        .route("/readyz", any(readyz))
        .route("/ready", any(readyz))
        .route("/health", any(healthy))
        .route("/live", any(live))
        .route("/metrics", get(metrics))
        .route("/log-level", level)
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
        Ok(level) => json_line(StatusCode::OK, &json!({"level": level.as_str()})),
        Err(error) => json_line(StatusCode::BAD_REQUEST, &json!({"error": error.to_string()})),
    }
}

/// Build, readiness and loops, and what the rest of the process tells.
fn document(state: &AdminState) -> Map<String, Value> {
    let build = state.build;
    let unmet: Map<String, Value> = state
        .readiness
        .unmet()
        .into_iter()
        .map(|(condition, reason)| (condition.to_owned(), reason.into()))
        .collect();
    let loops: Map<String, Value> = state
        .liveness
        .states()
        .into_iter()
        .map(|one| {
            let late = |late: Duration| format!("late by {} s", late.as_secs());
            (
                one.name.to_owned(),
                one.late_by.map_or_else(|| "ok".to_owned(), late).into(),
            )
        })
        .collect();
    let mut document = Map::new();
    document.insert("ready".to_owned(), unmet.is_empty().into());
    document.insert("version".to_owned(), build.version.into());
    document.insert("revision".to_owned(), build.revision.into());
    document.extend((state.facts)());
    if !unmet.is_empty() {
        document.insert("waits_for".to_owned(), unmet.into());
    }
    document.insert("loops".to_owned(), loops.into());
    document
}

async fn status_json(State(state): State<AdminState>) -> Response {
    json_line(StatusCode::OK, &document(&state).into())
}

async fn status(State(state): State<AdminState>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page::html(&document(&state))).into_response()
}

#[cfg(test)]
mod tests;
