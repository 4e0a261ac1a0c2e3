//! The program's side door: queue tasks, plan faults, read the log. Plain HTTP.

use std::sync::Arc;

use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::{Json, Router, routing};
use serde_json::{Value, json};

use super::json::{task_from_json, to_json};
use super::log::{Entry, Received};
use super::script::{Rpc, Step};
use super::server::Server;

const PACKAGE: &str = "c1.connectorapi.baton.v1.BatonService";

type Answer = Result<Json<Value>, (StatusCode, String)>;

pub(super) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/tasks", routing::post(tasks))
        .route("/faults", routing::post(faults))
        .route("/log", routing::get(log))
        .route("/violations", routing::get(violations))
        .route("/requeue", routing::post(requeue))
        .route("/identity", routing::post(identity))
        .route("/identity/retire", routing::post(retire))
        .with_state(server)
}

fn bad(error: impl std::fmt::Display) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, error.to_string())
}

/// A task or a list of tasks; answers the ids.
async fn tasks(Shared(server): Shared<Arc<Server>>, Json(body): Json<Value>) -> Answer {
    let values = match body {
        Value::Array(values) => values,
        one => vec![one],
    };
    let tasks = values
        .into_iter()
        .map(task_from_json)
        .collect::<Result<Vec<_>, _>>()
        .map_err(bad)?;
    let ids: Vec<_> = tasks.iter().map(|task| task.id.clone()).collect();
    for task in tasks {
        server.queue_task(task);
    }
    Ok(Json(json!({"ids": ids})))
}

/// `{"method": "FinishTask", "code": 14, "times": 3}`; without a code the call hangs.
async fn faults(Shared(server): Shared<Arc<Server>>, Json(body): Json<Value>) -> Answer {
    let name = body.get("method").and_then(Value::as_str).unwrap_or_default();
    let rpc = Rpc::from_name(name).ok_or_else(|| bad("no such method"))?;
    let step = match body.get("code").and_then(Value::as_i64) {
        Some(code) => Step::Status(i32::try_from(code).map_err(bad)?),
        None => Step::Hang,
    };
    let times = usize::try_from(body.get("times").and_then(Value::as_u64).unwrap_or(1)).map_err(bad)?;
    server.plan(rpc, std::iter::repeat_n(step, times));
    Ok(Json(json!({})))
}

/// Which part of the log is wanted.
#[derive(serde::Deserialize)]
struct Part {
    /// How many entries to leave out, the oldest first.
    #[serde(default)]
    since: usize,
}

async fn log(Shared(server): Shared<Arc<Server>>, Query(part): Query<Part>) -> Answer {
    let entries = server
        .log()
        .iter()
        .skip(part.since)
        .map(entry)
        .collect::<anyhow::Result<Vec<_>>>()
        .map_err(bad)?;
    Ok(Json(
        json!({"entries": entries, "open_tasks": server.state().open_tasks()}),
    ))
}

async fn violations(Shared(server): Shared<Arc<Server>>) -> Json<Value> {
    Json(json!(server.violations()))
}

/// Offers tasks again whose connector is gone.
async fn requeue(Shared(server): Shared<Arc<Server>>) -> Json<Value> {
    server.requeue_unfinished();
    Json(json!({}))
}

/// `{"keep_old": true}`: a new secret, with the old one beside it until it is retired.
async fn identity(Shared(server): Shared<Arc<Server>>, Json(body): Json<Value>) -> Answer {
    let keep_old = body.get("keep_old").and_then(Value::as_bool).unwrap_or(false);
    let secret = server.replace_secret(keep_old).map_err(bad)?;
    Ok(Json(json!({"client_secret": secret})))
}

/// Ends older secrets and their tokens.
async fn retire(Shared(server): Shared<Arc<Server>>) -> Json<Value> {
    server.retire_secrets();
    Json(json!({}))
}

fn entry(entry: &Entry) -> anyhow::Result<Value> {
    let request = match &entry.received {
        Received::Connection(alpn) => json!({"alpn": alpn}),
        Received::Token(request) => json!({"status": request.status}),
        Received::Hello(request) => to_json(&format!("{PACKAGE}HelloRequest"), request.as_ref())?,
        Received::GetTask(request) => to_json(&format!("{PACKAGE}GetTaskRequest"), request)?,
        Received::GetTasks(request) => to_json(&format!("{PACKAGE}GetTasksRequest"), request)?,
        Received::Heartbeat(request) => to_json(&format!("{PACKAGE}HeartbeatRequest"), request)?,
        Received::Finish(request) => to_json(&format!("{PACKAGE}FinishTaskRequest"), request)?,
        Received::Upload(upload) => json!({
            "hostId": upload.host_id,
            "taskId": upload.task_id,
            "chunks": upload.chunks.len(),
            "bytes": upload.chunks.iter().sum::<usize>(),
            "file": upload.file,
        }),
    };
    let begun = match &entry.received {
        Received::Upload(upload) => upload.begun,
        _ => entry.at,
    };
    Ok(json!({
        "begun_ms": u64::try_from(begun.as_millis())?,
        "at_ms": u64::try_from(entry.at.as_millis())?,
        "at_us": u64::try_from(entry.at.as_micros())?,
        "connection": entry.connection,
        "method": entry.received.name(),
        "request": request,
    }))
}
