//! One task from the poll to its `FinishTask` (c1-protocol.md §7.5, §9).

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::RpcError;
use super::heartbeat::{self, Beat, Lost};
use super::run::Inner;
use super::{convert, finish, upload};
use crate::proto::c1::connectorapi::baton::v1::BatonServiceFinishTaskRequest;
use crate::proto::c1::connectorapi::baton::v1::baton_service_finish_task_request::FinalState;
use crate::task::{Code, Reply, Task, TaskEnd, TaskError, TaskKind};
use crate::telemetry::metrics::Outcome;

impl Inner {
    /// Works on a task and reports it. Never fails: what cannot be reported is logged and offered again by C1.
    pub(super) async fn handle(&self, task: Task, token: CancellationToken) {
        let started = Instant::now();
        let kind = task.kind.as_str();
        let mut end = TaskEnd::new(task.id.clone(), kind, task.kind.writes());
        tracing::info!("task started");
        self.metrics.tasks_in_flight.inc();
        let outcome = match &task.kind {
            TaskKind::Hello => self.handle_hello(task.id.as_str()).await,
            TaskKind::SyncFull(_) => Box::pin(self.handle_sync(task, token, &mut end)).await,
            _ => {
                let verdict = self.run(task, token).await;
                self.report(verdict, &mut end).await
            }
        };
        self.metrics.tasks_in_flight.dec();
        self.metrics.task(kind, outcome, started.elapsed());
        if let Some(observer) = &self.observer {
            observer.ended(&end);
        }
        tracing::info!(
            outcome = outcome.as_str(),
            elapsed_ms = started.elapsed().as_millis(),
            "task ended"
        );
    }

    /// A Hello task is answered by the Hello itself, also when that fails (c1-protocol.md §1 point 3).
    async fn handle_hello(&self, task_id: &str) -> Outcome {
        match self.hello(task_id).await {
            Ok(()) => Outcome::Success,
            Err(error) => {
                tracing::warn!(error = error.chain(), "hello for a task failed");
                Outcome::Error
            }
        }
    }

    async fn handle_sync(&self, task: Task, token: CancellationToken, end: &mut TaskEnd) -> Outcome {
        let id = task.id.clone();
        let first = tokio::select! {
            biased;
            () = token.cancelled() => {
                let cancelled = TaskError::cancelled("the sync was cancelled before it started");
                return self.report(Err(cancelled), end).await;
            }
            first = heartbeat::once(&self.client, id.as_str()) => first,
        };
        let first = match first {
            Ok(Beat::Next(first)) => first,
            Ok(Beat::Cancelled) => {
                tracing::info!("task was cancelled before it started");
                return Outcome::Cancelled;
            }
            Err(error) => {
                self.metrics.heartbeat_failures.inc();
                let message = format!("the first heartbeat failed: {error}");
                return self.report(Err(of_call(&error, message)), end).await;
            }
        };
        // The heartbeats go on until the task is reported; a lost task ends with its token.
        let work = self.sync_and_report(task, &token, end);
        let beats = heartbeat::run(&self.client, &self.metrics, id.as_str(), first, &token);
        let mut work = std::pin::pin!(work);
        tokio::select! {
            outcome = work.as_mut() => outcome,
            Lost::Cancelled | Lost::Silent = beats => work.await,
        }
    }

    async fn sync_and_report(&self, task: Task, token: &CancellationToken, end: &mut TaskEnd) -> Outcome {
        let verdict = self.sync_and_upload(task, token).await;
        self.report(verdict, end).await
    }

    /// The file lives until this returns; dropping the reply deletes it.
    async fn sync_and_upload(&self, task: Task, token: &CancellationToken) -> Result<Reply, TaskError> {
        let id = task.id.clone();
        let synced = self.run(task, token.clone()).await;
        if token.is_cancelled() {
            return Err(TaskError::cancelled("the sync was cancelled; nothing was uploaded"));
        }
        let reply = synced?;
        let Reply::Synced(file) = &reply else { return Ok(reply) };
        let started = Instant::now();
        let uploaded = tokio::select! {
            biased;
            () = token.cancelled() => {
                return Err(TaskError::cancelled("the upload was cancelled"));
            }
            uploaded = upload::send(&self.client, id.as_str(), file.path()) => uploaded,
        };
        match uploaded {
            Ok(()) => {
                tracing::info!(
                    sync_id = file.sync_id,
                    size_bytes = file.size_bytes,
                    elapsed_ms = started.elapsed().as_millis(),
                    "sync uploaded"
                );
                Ok(reply)
            }
            Err(error) => Err(of_call(&error, format!("the upload failed: {error}"))),
        }
    }

    /// Runs a task; a panic in it is an error of the task and not the end of the process. Work that does not end soon
    /// after its token was cancelled is dropped, so that the task can still be reported.
    async fn run(&self, task: Task, token: CancellationToken) -> Result<Reply, TaskError> {
        let dropped = if task.kind.writes() {
            "the task was cancelled and did not end by itself; its last write may have taken effect, see the audit line"
        } else {
            "the task was cancelled and did not end by itself"
        };
        let work = AssertUnwindSafe(self.runner.run(task, token.clone())).catch_unwind();
        let lost_patience = async {
            token.cancelled().await;
            tokio::time::sleep(self.patience).await;
        };
        tokio::select! {
            biased;
            ended = work => ended.unwrap_or_else(|_| {
                tracing::error!("the task's handler panicked");
                Err(TaskError::new(Code::Internal, "the task's handler failed"))
            }),
            () = lost_patience => Err(TaskError::cancelled(dropped)),
        }
    }

    /// A task that was handed over and cannot be started any more.
    pub(super) async fn hand_back(&self, task: Task) {
        if matches!(task.kind, TaskKind::Hello) {
            return;
        }
        let mut end = TaskEnd::new(task.id.clone(), task.kind.as_str(), task.kind.writes());
        let ending = TaskError::cancelled("the process is ending before the task was started");
        self.report(Err(ending), &mut end).await;
    }

    async fn report(&self, verdict: Result<Reply, TaskError>, end: &mut TaskEnd) -> Outcome {
        end.decided(&verdict);
        let (request, outcome) = self.finish_request(end.id.as_str(), verdict);
        if let Err(error) = finish::send(&self.client, request).await {
            self.metrics.finish_failures.inc();
            tracing::error!(
                error = error.chain(),
                "finish was not taken; C1 will offer the task again"
            );
        }
        outcome
    }

    fn finish_request(
        &self,
        task_id: &str,
        verdict: Result<Reply, TaskError>,
    ) -> (BatonServiceFinishTaskRequest, Outcome) {
        let now = jiff::Timestamp::now();
        let (status, state, outcome) = match verdict {
            // A sync's file is deleted here, after the upload.
            Ok(reply) => (
                None,
                FinalState::Success(convert::success(reply, now)),
                Outcome::Success,
            ),
            Err(error) => {
                let (status, state) = convert::failure(&error, now);
                let outcome = if error.code == Code::Cancelled {
                    Outcome::Cancelled
                } else {
                    Outcome::Error
                };
                log_failure(&error);
                (Some(status), FinalState::Error(state), outcome)
            }
        };
        let request = BatonServiceFinishTaskRequest {
            host_id: self.client.host_id.to_string(),
            task_id: task_id.to_owned(),
            status,
            final_state: Some(state),
        };
        (request, outcome)
    }
}

fn log_failure(error: &TaskError) {
    let (error_class, code, non_retryable) = (error.class().as_str(), error.code.number(), error.non_retryable);
    let message = error.message.as_str();
    match error.code {
        Code::Cancelled => tracing::info!(error_class, code, non_retryable, error = message, "task was cancelled"),
        Code::Internal | Code::Unavailable => {
            tracing::error!(error_class, code, non_retryable, error = message, "task failed");
        }
        _ => tracing::warn!(error_class, code, non_retryable, error = message, "task failed"),
    }
}

/// The code under which a failed call to C1 is reported for the task.
/// A task's error of a call to C1 that failed: its code and details go back as they came (c1-protocol.md §8.3).
fn of_call(error: &RpcError, message: String) -> TaskError {
    let task = TaskError::new(to_code(error.code()), message);
    convert::passed(error.details()).into_iter().fold(task, TaskError::with)
}

fn to_code(code: tonic::Code) -> Code {
    match code {
        tonic::Code::Cancelled => Code::Cancelled,
        tonic::Code::InvalidArgument => Code::InvalidArgument,
        tonic::Code::OutOfRange => Code::OutOfRange,
        tonic::Code::DeadlineExceeded => Code::DeadlineExceeded,
        tonic::Code::NotFound => Code::NotFound,
        tonic::Code::AlreadyExists => Code::AlreadyExists,
        tonic::Code::PermissionDenied => Code::PermissionDenied,
        tonic::Code::ResourceExhausted => Code::ResourceExhausted,
        tonic::Code::FailedPrecondition => Code::FailedPrecondition,
        tonic::Code::Aborted => Code::Aborted,
        tonic::Code::Unimplemented => Code::Unimplemented,
        tonic::Code::Internal => Code::Internal,
        tonic::Code::DataLoss => Code::DataLoss,
        tonic::Code::Unavailable => Code::Unavailable,
        tonic::Code::Unauthenticated => Code::Unauthenticated,
        tonic::Code::Ok | tonic::Code::Unknown => Code::Unknown,
    }
}
