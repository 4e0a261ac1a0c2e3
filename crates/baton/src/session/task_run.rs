//! One task from the poll to its `FinishTask` (c1-protocol.md §7.5, §9).

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::RpcError;
use super::heartbeat::{self, Beat, Lost};
use super::inner::Inner;
use super::verdicts::Verdict;
use super::{convert, finish, upload};
use crate::proto::c1::connectorapi::baton::v1::BatonServiceFinishTaskRequest;
use crate::proto::c1::connectorapi::baton::v1::baton_service_finish_task_request::FinalState;
use crate::task::{Code, Reply, Task, TaskEnd, TaskError, TaskKind, TaskObserver};
use process::telemetry::Metrics;
use process::telemetry::metrics::Outcome;

/// A task while it is worked on: what is told of its end, and the number of its content.
struct Answer {
    end: TaskEnd,
    fingerprint: u64,
}

/// Counts a task as long as it is worked on, however that ends.
struct InFlightGauge<'a>(&'a Metrics);

impl<'a> InFlightGauge<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.tasks_in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlightGauge<'_> {
    fn drop(&mut self) {
        self.0.tasks_in_flight.dec();
    }
}

impl Inner {
    /// Works on a task and reports it. Never fails: what cannot be reported is kept until C1 asks again.
    pub(super) async fn handle(&self, task: Task, fingerprint: u64, token: CancellationToken) {
        let started = Instant::now();
        let kind = task.kind.as_str();
        let mut answer = Answer {
            end: TaskEnd::new(task.id.clone(), kind, task.kind.writes()),
            fingerprint,
        };
        self.tell_of(|observer| observer.began(&answer.end));
        let gauge = InFlightGauge::new(&self.metrics);
        let work = Box::pin(self.answer(task, token, &mut answer));
        let work = AssertUnwindSafe(work).catch_unwind().await;
        let outcome = match work {
            Ok(outcome) => outcome,
            Err(_) => self.after_panic(&mut answer).await,
        };
        drop(gauge);
        self.metrics.task(kind, outcome, started.elapsed());
        self.tell_of(|observer| observer.ended(&answer.end));
        tracing::info!(
            outcome = outcome.as_str(),
            elapsed_ms = started.elapsed().as_millis(),
            "task ended"
        );
    }

    async fn answer(&self, task: Task, token: CancellationToken, answer: &mut Answer) -> Outcome {
        if let Some(verdict) = self.verdicts.of(task.id.as_str(), answer.fingerprint) {
            tracing::info!("task offered again; the verdict that it has is sent again");
            answer.end = verdict.end.clone();
            return self.deliver(verdict, &mut answer.end).await;
        }
        tracing::info!("task started");
        match &task.kind {
            TaskKind::Hello => self.handle_hello(task.id.as_str()).await,
            TaskKind::SyncFull(_) => Box::pin(self.handle_sync(task, token, answer)).await,
            _ => {
                let verdict = self.run(task, token).await;
                self.report(verdict, answer).await
            }
        }
    }

    /// Something around the task's own work panicked. C1 is told, unless it has been told already.
    async fn after_panic(&self, answer: &mut Answer) -> Outcome {
        tracing::error!("the handling of the task panicked");
        if answer.end.verdict.is_some() || answer.end.kind == TaskKind::Hello.as_str() {
            return Outcome::Error;
        }
        self.report(
            Err(TaskError::new(Code::Internal, "the task's handling failed")),
            answer,
        )
        .await
    }

    /// Tells whether a Hello or a poll reached C1.
    pub(super) fn tell_reached(&self, error: Option<&RpcError>) {
        let Some(observer) = &self.observer else { return };
        match error.map(RpcError::unreached) {
            None => observer.reached(None),
            Some(Some(reason)) => observer.reached(Some(&reason)),
            // It is reached and says no.
            Some(None) => {}
        }
    }

    /// Tells the observer, whose panic is not the task's.
    fn tell_of(&self, what: impl FnOnce(&dyn TaskObserver)) {
        let Some(observer) = self.observer.as_deref() else {
            return;
        };
        if std::panic::catch_unwind(AssertUnwindSafe(|| what(observer))).is_err() {
            tracing::error!("the observer of tasks panicked");
        }
    }

    /// A verdict that C1 did not take before.
    pub(super) async fn send_again(&self, verdict: Verdict) {
        let (kind, mut end) = (verdict.end.kind, verdict.end.clone());
        tracing::info!(task_id = %end.id, task_type = kind, "a verdict that C1 did not take is sent again");
        let outcome = self.deliver(verdict, &mut end).await;
        self.metrics.task_reported(kind, outcome);
        self.tell_of(|observer| observer.ended(&end));
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

    async fn handle_sync(&self, task: Task, token: CancellationToken, answer: &mut Answer) -> Outcome {
        let id = task.id.clone();
        let first = tokio::select! {
            biased;
            () = token.cancelled() => {
                let cancelled = TaskError::cancelled("the sync was cancelled before it started");
                return self.report(Err(cancelled), answer).await;
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
                return self.report(Err(of_call(&error, message)), answer).await;
            }
        };
        // The heartbeats go on until the task is reported; a lost task ends with its token.
        let work = self.sync_and_report(task, &token, answer);
        let beats = heartbeat::run(&self.client, &self.metrics, id.as_str(), first, &token);
        let mut work = std::pin::pin!(work);
        tokio::select! {
            outcome = work.as_mut() => outcome,
            Lost::Cancelled | Lost::Silent = beats => work.await,
        }
    }

    async fn sync_and_report(&self, task: Task, token: &CancellationToken, answer: &mut Answer) -> Outcome {
        let verdict = self.sync_and_upload(task, token).await;
        self.report(verdict, answer).await
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
        let cancel_timeout = async {
            token.cancelled().await;
            tokio::time::sleep(self.cancel_timeout).await;
        };
        tokio::select! {
            biased;
            ended = work => ended.unwrap_or_else(|_| {
                tracing::error!("the task's handler panicked");
                Err(TaskError::new(Code::Internal, "the task's handler failed"))
            }),
            () = cancel_timeout => Err(TaskError::cancelled(dropped)),
        }
    }

    /// A task that was handed over and cannot be started any more. One that was decided before has its verdict.
    pub(super) async fn hand_back(&self, task: Task, fingerprint: u64) {
        if matches!(task.kind, TaskKind::Hello) {
            return;
        }
        let mut answer = Answer {
            end: TaskEnd::new(task.id.clone(), task.kind.as_str(), task.kind.writes()),
            fingerprint,
        };
        if let Some(verdict) = self.verdicts.of(task.id.as_str(), fingerprint) {
            self.deliver(verdict, &mut answer.end).await;
            return;
        }
        tracing::info!(task_id = %task.id, task_type = task.kind.as_str(), "task given back: the work is ending");
        let ending = TaskError::cancelled("the process is ending before the task was started");
        self.report(Err(ending), &mut answer).await;
    }

    async fn report(&self, verdict: Result<Reply, TaskError>, answer: &mut Answer) -> Outcome {
        answer.end.decided(&verdict);
        let (request, outcome) = self.finish_request(answer.end.id.as_str(), verdict);
        let verdict = Verdict {
            request,
            outcome,
            end: answer.end.clone(),
            fingerprint: answer.fingerprint,
        };
        // A cancelled task was not decided: offered again, it is worked on.
        if outcome != Outcome::Cancelled {
            self.verdicts.keep(verdict.clone());
        }
        self.deliver(verdict, &mut answer.end).await
    }

    /// Sends a verdict. One that C1 does not take is known to be unreported.
    async fn deliver(&self, verdict: Verdict, end: &mut TaskEnd) -> Outcome {
        let id = verdict.request.task_id.as_str();
        let sent = finish::send(&self.client, &verdict.request).await;
        end.reported = sent.is_ok();
        let Err(error) = sent else {
            self.verdicts.taken(id);
            return verdict.outcome;
        };
        if error.class().is_retryable() {
            self.verdicts.missed(id, self.client.connection());
        }
        self.metrics.finish_failures.inc();
        tracing::error!(
            task_id = %end.id,
            verdict = verdict.outcome.as_str(),
            error = error.chain(),
            "C1 did not take the task's verdict; it is kept and given when C1 offers the task again"
        );
        Outcome::Unreported
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
